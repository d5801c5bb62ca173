"""Captioners that others made: named by a person, run in a process of their own, believed in nothing."""

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nightcap.captioning import caption_images
from nightcap.cli import main
from pipeline.core.errors import BundleRejected, SettingsError
from pipeline.imaging.decode import ImageLimits
from pipeline.model.interface import EXTERNAL
from pipeline.registry.external import name_external
from pipeline.registry.loading import load_pinned, pin
from serving.night import run_night
from tests.pipeline.model.external.strangers import CODE, LIMITS, log_model, running
from tests.pipeline.model.external.strangers_captioner import CRASH, EMPTY, FEW, GREED, HANG, MARKUP, TELL, TURNED
from tests.serving.night_world import image, settings_of

# Each of these starts a process that imports MLflow, several times over.
starts = pytest.mark.integration


def night_of(world, model="models:/stranger/1", night="n1"):
    pinned = pin(world.home, model)
    return run_night(
        settings_of(model=model),
        world.home,
        pinned,
        lambda pinned: load_pinned(world.home, pinned),
        world.attempt(night),
    )


def put(world, *colours):
    return [world.put("{:03d}-{:03d}-{:03d}.png".format(*each), image(each, kind="PNG")) for each in colours]


def rows_by_name(world):
    return {Path(row["image"]).stem: row for row in world.rows()}


@starts
def test_a_night_of_a_strangers_captioner(stranger, monkeypatch, scratch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "canary")
    good = [(n, 20, 90) for n in range(6)]
    put(stranger, *good, CRASH, FEW, MARKUP, TURNED, EMPTY, GREED, TELL)
    summary = night_of(stranger)
    assert (summary.captioned, summary.quarantined, summary.version) == (7, 6, 1)
    assert summary.reasons == {"captioner_failed": 3, "caption_rejected": 3}

    rows = rows_by_name(stranger)
    reasons = {colour: rows["{:03d}-{:03d}-{:03d}".format(*colour)]["reason"] for colour in (CRASH, FEW, GREED)}
    assert set(reasons.values()) == {"captioner_failed"}
    for colour in good:
        row = rows["{:03d}-{:03d}-{:03d}".format(*colour)]
        assert row["caption"] == "a field of {} {} {}".format(*colour)
        assert row["score"] == -colour[0] / 256
        assert (row["model_name"], row["model_version"], row["engine"]) == ("stranger", "1", EXTERNAL)
        assert row["confidence"] is None
        assert row["alternatives"] == []

    _, pid, _, folder, _, *known = rows["{:03d}-{:03d}-{:03d}".format(*TELL)]["caption"].split()
    assert int(pid) != os.getpid()
    assert Path(folder).parent == scratch
    assert not {name for name in known if name.startswith(("AWS", "NIGHTCAP_HOME", "MLFLOW_TRACKING"))}
    assert "canary" not in (stranger.folder() / "gallery" / "index.html").read_text()

    assert list(scratch.iterdir()) == []
    assert running() == []
    assert night_of(stranger, night="n2").counts.planned == 0


@starts
def test_one_that_hangs_is_killed_with_its_children(stranger):
    home = replace(stranger.home, external=replace(LIMITS, batch_s=5))
    captioner = load_pinned(home, pin(home, "models:/stranger/1"))
    assert len(running()) == 1
    started = time.monotonic()
    [caption] = captioner.caption(np.full((1, 32, 32, 3), HANG, np.uint8))
    assert (caption.text, caption.reason) == ("", "captioner_failed")
    assert time.monotonic() - started < 20
    assert running() == []


@starts
def test_one_that_fails_at_everything_stops_the_night(stranger):
    put(stranger, CRASH, (*GREED[:2], 0), FEW)
    with pytest.raises(BundleRejected, match=r"stranger version 1 failed at 3 images .* nothing is published"):
        night_of(stranger)
    assert not stranger.home.captions.exists()


@starts
def test_one_that_cannot_be_loaded_fails_before_any_write(stranger, tmp_path):
    code = tmp_path / "broken.py"
    code.write_text(
        CODE.read_text().replace(
            "    def predict",
            "    def load_context(self, context):\n        raise OSError('no gears')\n\n    def predict",
        )
    )
    uri = log_model(stranger.home, "broken", code)
    name_external(stranger.home, uri, "ann")
    put(stranger, (1, 2, 3))
    with pytest.raises(BundleRejected, match=r"broken version 1 cannot be loaded: .*no gears"):
        night_of(stranger, uri)
    assert not (stranger.folder() / "parts").exists()
    assert not stranger.home.captions.exists()


def test_memory_and_the_interpreter_have_limits(stranger):
    pinned = pin(stranger.home, "models:/stranger/1")
    with pytest.raises(BundleRejected, match="cannot be loaded"):
        load_pinned(replace(stranger.home, external=replace(LIMITS, memory_mb=64)), pinned)
    with pytest.raises(SettingsError, match="NIGHTCAP_EXTERNAL_PYTHON '/no/python' cannot be started"):
        load_pinned(replace(stranger.home, external=replace(LIMITS, python="/no/python")), pinned)


@starts
def test_a_script_may_stand_for_its_python(stranger, tmp_path):
    script = tmp_path / "python"
    script.write_text(f'#!/bin/sh\nexec env INSIDE=1 {sys.executable} "$@"\n')
    script.chmod(0o755)
    home = replace(stranger.home, external=replace(LIMITS, python=str(script)))
    captioner = load_pinned(home, pin(home, "models:/stranger/1"))
    [caption] = captioner.caption(np.full((1, 32, 32, 3), TELL, np.uint8))
    assert "INSIDE" in caption.text.split()


def test_a_person_names_a_version_on_the_command_line(stranger, monkeypatch, capsys):
    uri = log_model(stranger.home, "commanded")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", stranger.home.tracking_uri)
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["models", "external", uri])
    assert ended.value.code in {None, 0}
    pinned = pin(stranger.home, uri)
    assert capsys.readouterr().out == f"{uri} may caption, with digest {pinned.digest}\n"
    assert (pinned.engine, pinned.uri) == (EXTERNAL, uri)
    with pytest.raises(SystemExit) as ended:
        main(["models", "foreign", uri])
    assert ended.value.code in {None, 0}
    out, err = capsys.readouterr()
    assert out == f"{uri} may caption, with digest {pinned.digest}\n"
    assert "is now `nightcap models external`" in err


@starts
def test_a_damaged_copy_is_fetched_anew(stranger):
    pinned = pin(stranger.home, "models:/stranger/1")
    kept = stranger.home.root / "cache" / "models" / pinned.digest
    load_pinned(stranger.home, pinned)
    (kept / "extra.py").write_text("")
    load_pinned(stranger.home, pinned)
    assert not (kept / "extra.py").exists()
    assert not list(kept.rglob("*.pyc"))


def test_bad_images_have_lines_of_their_own(stranger):
    """`nightcap caption` with an external captioner."""

    class Given:
        def __init__(self, colour):
            self.image, self.colour = str(colour), colour

        def read(self, limits):
            return image(self.colour, kind="PNG")

    captioner = load_pinned(stranger.home, pin(stranger.home, "models:/stranger/1"))
    lines = [line.as_json() for line in caption_images(captioner, map(Given, (MARKUP, (7, 8, 9))), ImageLimits())]
    assert [(line["status"], line["reason"]) for line in lines] == [
        ("quarantined", "caption_rejected"),
        ("captioned", None),
    ]
    with pytest.raises(SettingsError, match="whose decoding"):
        load_pinned(stranger.home, pin(stranger.home, "models:/stranger/1"), {"beam_width": 5})
