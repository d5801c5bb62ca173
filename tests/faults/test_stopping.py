"""SIGTERM while a night is at work: it is dropped cleanly and soon, and the same night goes on."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from pipeline.core.signals import CODE
from tests.faults.killing import Night, draw
from tests.until import until

pytestmark = pytest.mark.timeout(900)
LIMIT_S = 30
STEP = 1 if os.environ.get("NIGHTCAP_SOAK") else 3  # which writes SIGTERM comes at; SIGKILL comes at each
# The command line with a model that takes its time, or with images that are never read.
COMMAND = """
import sys, time
from pathlib import Path
import serving.planning.model_choice, pipeline.core.signals
from nightcap import cli
from nightcap.commands import night
from serving import caption_shard
from tests.serving.night_world import PINNED, ColourCaptioner

class Slow(ColourCaptioner):
    def caption(self, pixels):
        time.sleep(0.5)
        return super().caption(pixels)

def hang(folder, info, captioner, limits):
    Path(sys.argv[1]).touch()
    time.sleep(600)

serving.planning.model_choice.pin_for_night = lambda settings, home: PINNED
night.load_authorised = lambda home, pinned: Slow()
if sys.argv[1]:
    caption_shard.decode_image, pipeline.core.signals._GRACE_S = hang, 1
cli.main(sys.argv[2:])
"""


@pytest.fixture
def start(tmp_path):
    """Starts the same night of 900 images, three parts; `hangs` is a file that appears when reading hangs."""
    images = draw(tmp_path / "images", 900)
    environment = {**os.environ, "NIGHTCAP_HOME": str(tmp_path / "home"), "PYTHONPATH": str(Path.cwd())}

    @contextmanager
    def start(hangs=""):
        command = [sys.executable, "-c", COMMAND, hangs, "night", "--night", "n", "--input", images]
        command += ["--accept-quarantine"]  # plain colours, which have a flag each
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
            try:
                yield process
            finally:
                process.kill()

    return start


def stop(process):
    """Send SIGTERM twice; the seconds until it ended."""
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=LIMIT_S)
    assert process.returncode == CODE == 143
    return time.monotonic() - started, told


def scratch(root):
    """What is only half written."""
    return [path for path in root.rglob(".*") if path.name not in {".nightcap", ".places", ".passed_over"}]


def test_5_sigterm_ends_a_night_and_the_same_night_goes_on(start, tmp_path):
    parts = tmp_path / "home" / "store" / "nights" / "n" / "manual__n" / "parts"
    with start() as process:
        until(
            lambda: parts.is_dir() and list(parts.glob("*.parquet")),
            300,
            "the night was not that far",
            process=process,
            pause=0.02,
        )
        seconds, told = stop(process)
    assert seconds < LIMIT_S
    assert told.splitlines()[-1] == "nightcap: terminated"
    assert "Traceback" not in told
    kept = sorted(parts.iterdir())
    assert 1 <= len(kept) < 3
    assert all(pq.read_table(path).num_rows == 300 for path in kept)
    assert scratch(tmp_path) == []
    with start() as process:
        _, told = process.communicate()
        assert process.returncode == 0, told
    rows = DeltaTable(str(tmp_path / "home" / "store" / "captions")).to_pyarrow_table()
    assert len(rows) == len(set(rows["image"].to_pylist())) == 900


def test_5_sigterm_while_a_read_hangs(start, tmp_path):
    hangs = tmp_path / "hangs"
    with start(str(hangs)) as process:
        until(hangs.exists, 300, "the night was not that far", process=process, pause=0.02)
        seconds, _ = stop(process)
    assert seconds < LIMIT_S
    assert scratch(tmp_path) == []


def test_5_sigterm_at_a_write_leaves_nothing_half_written(tmp_path):
    images = draw(tmp_path / "images", 3)
    for number in count(1, STEP):
        night = Night(tmp_path / f"write{number}", images, {"part_size": 2, "gallery_size": 1, "decoders": 1})
        stopped = night.run(number, signal.SIGTERM)
        assert scratch(night.root) == []
        assert {path.name for path in night.world.home.captions.glob("*.parquet")} == named(night.world.home.captions)
        if not stopped:
            break
        assert not night.run()
        assert [row["image"] for row in night.world.rows(current=True)] == [
            str(path) for path in sorted(images.iterdir())
        ]
        assert len(night.world.rows()) == 3
    assert number > 40


def named(table):
    """The files that a table's log names."""
    uris = DeltaTable(str(table)).file_uris() if DeltaTable.is_deltatable(str(table)) else []
    return {Path(uri).name for uri in uris}
