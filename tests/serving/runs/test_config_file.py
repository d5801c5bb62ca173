"""Night settings from a file."""

import pytest

from pipeline.core.errors import SettingsError
from pipeline.core.settings.config_file import config_file
from pipeline.core.settings.form import fields_of
from serving.runs.config_file import NIGHT_CONFIG, night_config
from serving.runs.settings import NightSettings, night_settings

TEXT = """
input: s3://pictures/new
output: alt-texts
stop_at: 23:30
max_images: null
withhold_below: 0
min_side: 16
replay_reasons: [too_small]
"""


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "night.yaml"
    file.write_text(TEXT)
    return file


def test_a_file_fills_the_form_and_so_the_night(file):
    usual = night_config({NIGHT_CONFIG.name: str(file)})
    form = {field.name: field.default for field in fields_of(NightSettings, usual)}
    settings = night_settings(form)
    assert (settings.stop_at, settings.max_images, settings.min_side) == ("23:30", None, 16)
    assert settings.replay_reasons == ("too_small",)
    assert settings == night_settings(config_file(NightSettings, file))
    others = {field.name: field.default for field in fields_of(NightSettings) if field.name not in usual}
    assert others == {name: form[name] for name in others}


def test_without_a_file_nights_are_as_ever():
    assert night_config({}) == night_config({NIGHT_CONFIG.name: ""}) == {}


def test_relative_paths_are_relative_to_the_file(file, tmp_path):
    values = night_config({NIGHT_CONFIG.name: str(file)})
    assert (values["input"], values["output"]) == ("s3://pictures/new", str(tmp_path / "alt-texts"))
    file.write_text("{model: models:/captioner/3, table: captions, manifest: /all.csv}")
    assert config_file(NightSettings, file) == {
        "model": "models:/captioner/3",
        "table": str(tmp_path / "captions"),
        "manifest": "/all.csv",
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stop: 3", "unknown setting stop"),
        ("stop_at: 25:00", r"NIGHTCAP_NIGHT_CONFIG names .*night.yaml: stop_at.*25:00"),
        ("- 1", "night.yaml holds list"),
        ("a: [", "cannot read settings file .*night.yaml"),
        (None, "cannot read .*night.yaml.*No such file"),
    ],
)
def test_a_file_that_is_wrong_is_refused(tmp_path, text, words):
    file = tmp_path / "night.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SettingsError, match=words):
        night_config({NIGHT_CONFIG.name: str(file)})
