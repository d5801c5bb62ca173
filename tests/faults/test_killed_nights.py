"""A night that is killed at any moment and run again is as if nothing had been."""

import json
import os
import random
import time
from itertools import count, islice
from pathlib import Path

import pytest

from pipeline.storage.tables import CaptionTable
from tests.faults.killing import BAD, EQUAL, Night, draw, kill_after

SOAK = bool(os.environ.get("NIGHTCAP_SOAK"))
KILLS = 20 if SOAK else 5
SEED = int(os.environ.get("NIGHTCAP_SEED") or time.time_ns() % 1_000_000)
pytestmark = pytest.mark.timeout(7200 if SOAK else 600)

WHOLE = {"shard_size": 400, "part_size": 100, "gallery_size": 10}
# Of hundreds of nights a second decoder would be the greatest cost; the nights of a thousand have two.
SMALL = WHOLE if SOAK else {"shard_size": 3, "part_size": 2, "gallery_size": 1, "decoders": 1, "write_sidecars": True}


@pytest.fixture(scope="module")
def thousand(tmp_path_factory):
    """A thousand files, and the night over them that nobody disturbed."""
    return undisturbed(tmp_path_factory.mktemp("thousand"), 1000, WHOLE)


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """The same with four files, which has every kind of write, or with a thousand."""
    return undisturbed(tmp_path_factory.mktemp("few"), 1000 if SOAK else 4, SMALL)


def undisturbed(folder, size, settings):
    night = Night(folder / "undisturbed", draw(folder / "images", size), settings)
    assert not night.run()
    assert len(night.world.rows()) == size
    return night


def again(night, name):
    return Night(night.root.with_name(name), night.images, night.settings)


def require_equal(night, undisturbed):
    """As the design defines it: the same but for times, and nothing left lying about."""
    for current in (False, True):
        rows, expected = night.world.rows(current), undisturbed.world.rows(current)
        assert [[row[name] for name in EQUAL] for row in rows] == [[row[name] for name in EQUAL] for row in expected]
        scores = ([row["score"] for row in each] for each in (rows, expected))
        assert next(scores) == pytest.approx(next(scores), abs=1e-4)
        assert len({row["image"] for row in rows}) == len(rows)
    home = night.world.home
    assert CaptionTable(home.captions).version() == 1
    assert (
        len(list(home.captions.glob("*.parquet"))) == len(list(Path(f"{home.captions}_current").glob("*.parquet"))) == 1
    )
    folder = night.world.folder()
    assert not (folder / "parts").exists()
    assert (folder / "gallery" / "index.html").is_file()
    assert (folder / "summary.json").is_file()
    assert outputs(night) == outputs(undisturbed)


def outputs(night):
    """What an output says, by image and by text file; what was half written when a night was killed says nothing."""
    lines = map(json.loads, (night.output / "captions-n1.jsonl").read_text().splitlines())
    texts = {path.name: path.read_text() for path in night.output.glob("[!.]*.txt")}
    return {line["image"]: (line["status"], line["caption"]) for line in lines} | texts


def require_little_repeated(night, undisturbed):
    repeated = night.captioned() - undisturbed.captioned()
    assert 0 <= repeated <= night.settings["part_size"]


def test_1_killed_at_random_moments(thousand):
    """A thousand files, of which each attempt may caption at most one part twice."""
    drawn, kills = random.Random(SEED), 0
    started = time.monotonic()
    assert not again(thousand, "timed").run()
    seconds = time.monotonic() - started
    print(f"\nNIGHTCAP_SEED={SEED}; undisturbed the night takes {seconds:.2f} s")
    nights = (again(thousand, f"random{number}") for number in range(10 * KILLS))
    killed = (night for night in nights if kill_after(night, drawn.uniform(0, seconds)))  # else it had ended by then
    for night in islice(killed, KILLS):
        kills += 1
        print(f"killed with {night.captioned()} of {thousand.captioned()} captioned")
        assert not night.run()
        require_equal(night, thousand)
        require_little_repeated(night, thousand)
    assert kills == KILLS
    assert thousand.captioned() == 1000 - 1000 // BAD


def test_1_killed_at_every_write(few):
    for number in count(1):
        night = again(few, f"write{number}")
        if not night.run(number):
            break
        assert not night.run()
        require_equal(night, few)
        require_little_repeated(night, few)
    print(f"\nkilled before each of {number - 1} writes")
    assert number > 60
