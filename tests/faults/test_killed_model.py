"""A real model that is killed at work says the same when it is started again."""

import subprocess
import sys
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from deltalake import DeltaTable

from pipeline.core.environment import Home
from pipeline.data.sources.scenes.dataset import draw_inbox
from pipeline.registry.loading import load_pinned, pin
from serving.night import run_night
from serving.runs.plan_file import Attempt
from serving.runs.settings import NightSettings
from tests.faults.killing import EQUAL

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

IMAGES, PART = 200, 16
PROCESS = "import sys; from tests.faults.test_killed_model import night; night(*sys.argv[1:])"


def night(root, images, registry, journal):
    """One night, always the same, in a home of its own."""
    home = Home(Path(root), Path(root) / "store", registry, (images,), journal=journal)
    settings = NightSettings(input=images, part_size=PART, gallery_size=4)
    attempt = Attempt.at(datetime.now(UTC), "n")
    run_night(settings, home, pin(home, settings.model), partial(load_pinned, home), attempt)


def kill_at(parts, arguments):
    """Work on the night in a process until there are some parts."""
    folder = Path(arguments[0]) / "store" / "nights" / "n" / "manual__n" / "parts"
    with subprocess.Popen([sys.executable, "-c", PROCESS, *arguments], cwd=Path.cwd()) as process:
        while len(list(folder.glob("*.parquet"))) < parts:
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()


def rows(root):
    table = DeltaTable(str(root / "store" / "captions")).to_pyarrow_table().to_pylist()
    return sorted(table, key=lambda row: row["image"])


def test_1_a_real_model_killed_twice(tiny_run, tmp_path):
    images, registry = str(tmp_path / "images"), [tiny_run.home.tracking_uri, tiny_run.home.promotions]
    draw_inbox(Path(images), IMAGES, seed=7)
    night(tmp_path / "undisturbed", images, *registry)
    arguments = [str(tmp_path / "killed"), images, *registry]
    kill_at(2, arguments)
    kill_at(6, arguments)
    subprocess.run([sys.executable, "-c", PROCESS, *arguments], check=True, cwd=Path.cwd())
    found, expected = rows(tmp_path / "killed"), rows(tmp_path / "undisturbed")
    assert len(expected) == IMAGES
    assert [[row[name] for name in EQUAL] for row in found] == [[row[name] for name in EQUAL] for row in expected]
    assert [row["score"] for row in found] == pytest.approx([row["score"] for row in expected], abs=1e-4)
