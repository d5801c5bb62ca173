"""Each file that nights leave behind, emptied or cut in half as by a power cut: told or made anew, and no wrong data."""

import os
import random
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nightcap.forgetting import forget_images
from pipeline.core.errors import NightcapError
from pipeline.storage.tables.corrections import Correction, CorrectionTable
from serving.reporting.report import report
from serving.runs.lifecycle import planned_runs
from serving.upkeep.tables import Tending, TendingSettings
from tests.serving.night_world import World, image

SOAK = bool(os.environ.get("NIGHTCAP_SOAK"))
SEED = int(os.environ.get("NIGHTCAP_SEED") or time.time_ns() % 1_000_000)
CHOSEN = 5  # of all files, on ordinary days

pytestmark = pytest.mark.timeout(3600 if SOAK else 300)

SETTINGS = {
    "layout": "%Y-%m-%d",
    "write_csv": True,
    "write_sidecars": True,
    "decoders": 1,
    "readers": 1,
    "shard_size": 2,
    "part_size": 1,
}
NOT_OURS = {".png", ".db", ".lock"}
FORGOTTEN = "2026-03-01/009.png"


@dataclass(frozen=True)
class Left:
    """A home after a night, with another night that has captioned and not published, and a copy of it."""

    world: World
    copy: Path

    @property
    def root(self):
        return self.world.home.root

    def restore(self):
        shutil.rmtree(self.root)
        shutil.copytree(self.copy, self.root, symlinks=True)

    def files(self):
        """Those that hold anything, but for the images themselves."""
        paths = (path.relative_to(self.copy) for path in self.copy.rglob("*"))
        return [
            path
            for path in sorted(paths)
            if (self.copy / path).is_file()
            and not (self.copy / path).is_symlink()
            and path.suffix not in NOT_OURS
            and (self.copy / path).stat().st_size
        ]


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cut")
    world = World.within(folder / "home")
    for n in (*range(4), 9):
        world.put(f"2026-03-01/{n:03d}.png", image((n, 2 * n, 99), kind="PNG"))
    night(world, "n1")
    corrections = CorrectionTable(world.home.store / "corrections")
    corrections.append([Correction(str(world.home.inbox / "2026-03-01/001.png"), "a bee", "ann", datetime.now(UTC))])
    forget(world)
    world.put("2026-03-02/004.png", image((4, 8, 99), kind="PNG"))
    world.put("2026-03-02/005.png", image((5, 10, 99), kind="PNG"))
    world.captioned("n2", **settings(world))
    shutil.copytree(world.home.root, folder / "copy", symlinks=True)
    return Left(world, folder / "copy")


def settings(world):
    return {**SETTINGS, "output": str(world.home.root / "out"), "experiment": None}


def night(world, name):
    return world.night(name, **settings(world))


def forget(world):
    return forget_images(
        world.home, frozenset({str(world.home.inbox / FORGOTTEN)}), world.home.captions, lambda _: None
    )


def tend(world):
    tending = Tending(TendingSettings(), world.home)
    tending.compact()
    tending.vacuum()


def steps_of(world):
    """What a person or a schedule does next, in this order."""
    return {
        "n2 once more": lambda: night(world, "n2"),
        "the next night": lambda: night(world, "n3"),
        "report": lambda: [report(run.path) for run in planned_runs(world.home.store) if run.is_published],
        "forget": lambda: forget(world),
        "compact": lambda: tend(world),
        "the last night": lambda: night(world, "n4"),
    }


def attempt(step, errors):
    """Do a step, which may end only with an error that Nightcap tells."""
    try:
        step()
    except NightcapError as error:
        assert len(str(error)) > 30
        errors.append(str(error))


@pytest.mark.parametrize("kept", ["nothing", "half"])
def test_each_file_that_nights_leave_behind(left, kept):
    drawn = random.Random(SEED)
    files = left.files()
    chosen = files if SOAK else sorted(drawn.sample(files, min(CHOSEN, len(files))))
    print(f"\nNIGHTCAP_SEED={SEED}; {len(chosen)} of {len(files)} files")
    for path in chosen:
        left.restore()
        world = left.world
        cut = world.home.root / path
        os.truncate(cut, 0 if kept == "nothing" else cut.stat().st_size // 2)
        errors = []
        for name, step in steps_of(world).items():
            try:
                attempt(step, errors)
            except Exception as error:
                error.add_note(f"{path} cut to {kept}; then {name}")
                raise
        print(path, *errors, sep="\n    ")
        require_right(world, errors, cut if kept == "half" else None)


def require_right(world, errors, cut):
    """Every image has one row with its own caption and a text file, unless an error told why not.

    Half a text is none of ours any more, and stays, as words that a person wrote do.
    """
    images = [path for path in sorted(world.home.inbox.rglob("*.png")) if not str(path).endswith(FORGOTTEN)]
    try:
        rows, current = world.rows(), world.rows(current=True)
    except Exception:
        assert errors
        return
    for row in (*rows, *current):
        number = int(row["image"][-7:-4])
        assert row["caption"] == f"an image of {number} {2 * number} 99"
        assert number != 9
    if not errors:
        assert [row["image"] for row in rows] == [row["image"] for row in current] == list(map(str, images))
        texts = {
            path.relative_to(world.home.inbox): (world.home.root / "out" / f"{path.relative_to(world.home.inbox)}.txt")
            for path in images
        }
        assert all(path.read_text().startswith("an image of") for path in texts.values() if path != cut)
