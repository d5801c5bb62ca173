"""Rounds of nights, forget, upkeep, gc, promotions, rollbacks and replays at once, over one home, with a clock that jumps.

Processes are stopped for a while and killed; then the newest file is cut. Each round ends with what a person would do,
and a look at every promise. `python -m tests.soak.chaos ROOT ROUNDS SEED` ends with an error if one was broken.
"""

import json
import mmap
import os
import random
import signal
import struct
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.registry.promotions import Promotions
from pipeline.storage.tables import CaptionTable
from pipeline.storage.tables.repair import repair_table
from serving.runs.lifecycle import planned_runs
from tests.faults.killing import SERVER
from tests.pipeline.registry.light_registry import NAME, add_versions
from tests.serving.night_world import World, image
from tests.soak.chaos_steps import TOLD, work

JUMP_S = 20 * 3600  # less than a day: further ahead, the times of files are those of a wrong clock
LIMIT_S = 300  # of a step, stopped or not
NEW = 6  # images a round
NEWEST = 20  # files, of which one is cut
UNTOUCHED = ("inbox", "store/artifacts", "store/promotions.lock")
OURS = {".json", ".jsonl", ".parquet", ".csv", ".txt", ".html"}


@dataclass
class Clock:
    """Seconds that every process's clock is ahead by, in a file that the preloaded library maps."""

    path: Path

    def set(self, seconds):
        with self.path.open("r+b") as file, mmap.mmap(file.fileno(), 8) as mapped:
            mapped[:8] = struct.pack("q", seconds)


@dataclass
class Chaos:
    root: Path
    drawn: random.Random
    clock: Clock
    images: list = field(default_factory=list)
    forgotten: set = field(default_factory=set)
    cut: tuple | None = None  # a path and the bytes that it had
    seen: Counter = field(default_factory=Counter)

    @property
    def world(self):
        return World.within(self.root)

    def more_images(self):
        for number in range(len(self.images), len(self.images) + NEW):
            data = image((number % 256, number // 256, 99), kind="PNG")
            self.images.append(self.world.put(f"{number:05d}.png", data))

    def steps(self, number):
        """The processes of a round."""
        steps = [("night", f"a{number}"), ("night", f"b{number}"), ("tend",), ("gc",)]
        steps.append(("promote", str(self.drawn.randint(1, 3))) if self.drawn.random() < 0.6 else ("rollback",))
        nights = [run.names[0] for run in planned_runs(self.world.home.store) if run.is_published]
        if nights:
            steps.append(("replay", self.drawn.choice(nights)))
            secret = self.drawn.choice(self.images)
            self.forgotten.add(secret)
            steps.append(("forget", secret))
        self.drawn.shuffle(steps)
        return steps

    def round(self, number):
        self.more_images()
        running = {}
        for step in self.steps(number):
            running[step] = start(self.root, step)
            time.sleep(self.drawn.uniform(0, 0.3))
        killed = self.disturb(running)
        for step, process in running.items():
            self.end(step, process, killed)
        self.clock.set(0)
        if killed:
            self.cut_newest()
        self.settle(number)
        self.look()
        kept = self.cut and self.cut[0].relative_to(self.root)
        print(f"round {number}: killed {[step[0] for step in killed]}, cut {kept}", flush=True)
        self.cut = None

    def disturb(self, running):
        """Stop and go on, kill, and let the clock jump, at random moments."""
        killed, stopped, ends = [], {}, time.monotonic() + self.drawn.uniform(1, 6)
        while time.monotonic() < ends:
            time.sleep(self.drawn.uniform(0.05, 0.4))
            step = self.drawn.choice(list(running))
            for each, until in [*stopped.items()]:
                if time.monotonic() > until:
                    send(running[each], signal.SIGCONT)
                    del stopped[each]
            match self.drawn.choice(["stop", "stop", "jump", "kill"]):
                case "stop" if step not in killed:
                    send(running[step], signal.SIGSTOP)
                    stopped[step] = time.monotonic() + self.drawn.uniform(0.1, 3)
                case "kill" if step not in killed and len(killed) < 3 and running[step].is_alive():
                    send(running[step], signal.SIGKILL)
                    killed.append(step)
                case "jump":
                    self.clock.set(self.drawn.randint(-JUMP_S, JUMP_S))
                    self.seen["jumps"] += 1
        for step in stopped:
            send(running[step], signal.SIGCONT)
        self.seen["kills"] += len(killed)
        return killed

    def end(self, step, process, killed):
        process.join(LIMIT_S)
        if process.is_alive():
            process.kill()
            raise AssertionError(f"{step} did not end in {LIMIT_S} s")
        if step not in killed:
            assert process.exitcode in {0, TOLD}, f"{step} ended with {process.exitcode}"
            self.seen[f"{step[0]} {'done' if not process.exitcode else 'told'}"] += 1

    def cut_newest(self):
        """Empty or cut the file that was written last, or one of the last, as a power cut may leave it."""
        files = [
            path
            for path in self.root.rglob("*")
            if path.suffix in OURS
            and path.is_file()
            and not path.is_symlink()
            and path.stat().st_size
            and not str(path.relative_to(self.root)).startswith(UNTOUCHED)
        ]
        if files:
            newest = sorted(files, key=lambda each: each.stat().st_mtime_ns)[-NEWEST:]
            path = self.drawn.choice([newest[-1], self.drawn.choice(newest)])
            self.cut = path, path.read_bytes()
            os.truncate(path, self.drawn.choice([0, path.stat().st_size // 2]))

    def settle(self, number):
        """What a person does: what an error says, until a night, a forgetting and upkeep end well."""
        for step in (("night", f"z{number}"), ("forget", *sorted(self.forgotten)), ("tend",), ("reports",)):
            for _ in range(3):
                process = start(self.root, step)
                process.join(LIMIT_S)
                if process.exitcode == 0:
                    break
                assert process.exitcode == TOLD, f"{step} ended with {process.exitcode}"
                self.heed((self.root / "told").read_text())
            else:
                raise AssertionError(f"{step} did not end well: {(self.root / 'told').read_text()}")

    def heed(self, message):
        """Do what an error says: restore the file from a backup, or repair the table."""
        self.seen["heeded"] += 1
        path, data = self.cut or (None, b"")
        if path and path.exists() and "tables repair" in message and "corrections" not in str(path):
            if not self.drawn.randrange(2):
                path.write_bytes(data)
            else:
                repair_table(CaptionTable(self.world.home.captions))
        elif path and (str(path) in message or path.name in message):
            path.write_bytes(data)
        else:
            raise AssertionError(f"after {path} was cut: {message}")

    def look(self):
        """Every image has its own caption, once; what is forgotten is nowhere; outputs and pages say the same."""
        world, kept = self.world, sorted(set(self.images) - self.forgotten)
        ordinary = Counter()
        for row in world.rows():
            require_own(row)
            if ".r" not in row["night"]:
                ordinary[row["image"], row["etag"]] += 1
        assert [image for image, _ in sorted(ordinary)] == kept, "an image is missing, or was forgotten"
        assert set(ordinary.values()) == {1}, "an image was captioned twice"
        assert [row["image"] for row in world.rows(current=True)] == kept
        out = self.root / "out"
        assert sorted(path.name for path in out.glob("[!.]*.txt")) == [f"{Path(each).name}.txt" for each in kept]
        told = Counter()
        for path in out.glob("captions-*.jsonl"):
            told.update(json.loads(line)["image"] for line in path.read_text().splitlines())
        assert set(told) == set(kept)
        names = [Path(each).name.encode() for each in self.forgotten]
        for path in (*self.root.glob("store/nights/*/*/**/*"), *out.glob("*")):
            if path.is_file() and path.suffix in OURS:
                data = path.read_bytes()
                assert not any(name in data for name in names), f"{path} names what was forgotten"
        Promotions(world.home).champion(NAME)


def require_own(row):
    number = int(Path(row["image"]).stem)
    assert row["status"] == "captioned", f"{row['image']} is quarantined: {row['reason']}"
    assert row["caption"] == f"an image of {number % 256} {number // 256} 99", row
    assert row["model_version"] in {"1", "2", "3"}


def send(process, number):
    with suppress(ProcessLookupError, TypeError):
        os.kill(process.pid, number)


def start(root, step):
    process = SERVER.Process(target=work, args=(root, *step))
    process.start()
    return process


def main(root, rounds, seed):
    chaos = Chaos(root, random.Random(seed), Clock(Path(os.environ["NIGHTCAP_CHAOS_CLOCK"])))
    chaos.clock.set(3600)
    assert time.time() > root.stat().st_mtime + 1800, "the clock does not jump"
    chaos.clock.set(0)
    add_versions(chaos.world.home, "one", "two", "three")
    Promotions(chaos.world.home).promote(NAME, "1", 0, "somebody")
    started = time.monotonic()
    for number in range(1, rounds + 1):
        chaos.round(number)
    print(f"{rounds} rounds in {time.monotonic() - started:.0f} s: {dict(sorted(chaos.seen.items()))}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
