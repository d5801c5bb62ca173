"""The input of a night."""

from dataclasses import replace

import pytest

from pipeline.core.errors import SettingsError
from serving.planning.plan import plan
from serving.runs.settings import NightSettings
from tests.serving.night_world import PINNED, image


@pytest.mark.parametrize("uri", ["s3://bucket/x", "/nonexistent"])
def test_a_wrong_input_leaves_nothing_behind(world, uri):
    with pytest.raises(SettingsError):
        plan(NightSettings(input=uri), world.home, PINNED, world.attempt())
    assert not world.folder().exists()


def test_22_16_nightcap_s_own_folders_in_an_input_are_left_out_or_refused(world):
    photos = world.home.root / "photos"
    home = replace(world.home, root=photos / "nightcap", store=photos / "nightcap/store", roots=(str(photos),))
    for path in (photos / "a.jpg", home.store / "nights/n0/gallery/thumbs/1.jpg"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image("red"))
    made = plan(NightSettings(input=str(photos)), home, PINNED, world.attempt())
    assert (made["counts"]["planned"], made["counts"]["ignored_reasons"]) == (1, {"own_folder": 1})
    for own in (home.root, home.store, home.store / "nights"):
        with pytest.raises(SettingsError, match="keeps itself"):
            plan(NightSettings(input=str(own)), home, PINNED, world.attempt("n2"))
