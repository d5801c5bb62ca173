import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.errors import SettingsError
from pipeline.core.settings import (
    DecodingSettings,
    EncoderSettings,
    TrainSettings,
    assign,
    checked,
    preset,
    preset_names,
    read_yaml,
    train_settings,
)
from tests.pipeline.core.settings.complaints import complaint


def test_every_wrong_value_is_named_at_once():
    message = complaint({"training": {"epochs": 0, "seed": -1}, "encoder": {"fit": "stretch"}})
    assert [part.split(":")[0] for part in message.split("; ")] == ["encoder.fit", "training.seed", "training.epochs"]


def test_an_unknown_group_or_field_is_refused_with_the_known_ones():
    message = complaint({"trainnig": {"epochs": 3}})
    assert message.startswith("unknown setting trainnig;")
    assert all(group in message for group in TrainSettings.model_fields)
    message = complaint({"decoding": {"beam": 3}})
    assert message.startswith("unknown setting decoding.beam;")
    assert all(field in message for field in DecodingSettings.model_fields)
    assert "learning_rate" not in message
    assert complaint({"shard": 3}, EncoderSettings).startswith("unknown setting shard; known here: name, weights,")


def test_an_unknown_preset_lists_the_known_ones():
    message = complaint({"preset": "flickr"})
    assert message == "unknown preset 'flickr'; known presets: coco, flickr8k, scenes, tutorial"
    assert complaint({"preset": 3}).startswith("unknown preset 3;")


def test_a_group_that_is_no_mapping_is_refused():
    assert complaint({"training": 3}) == "settings group 'training' is 3, expected a mapping"
    assert "'training' is None" in complaint({"training": None})


@pytest.mark.parametrize("name", ["coco", "flickr8k", "scenes", "tutorial"])
def test_presets_load_and_say_what_they_promise(name):
    assert name in preset_names()
    settings = train_settings({"preset": name})
    for group, fields in preset(name).items():
        for field, value in fields.items():
            found = getattr(getattr(settings, group), field)
            assert value in (found, str(found)), f"{group}.{field}"


def test_the_scenes_are_what_settings_start_from():
    assert train_settings({}) == train_settings({"preset": "scenes"})


def test_given_values_replace_only_themselves_and_leave_the_argument_alone():
    values = {"preset": "coco", "training": {"epochs": 2}}
    settings = train_settings(values)
    assert settings.training.epochs == 2
    assert settings.training.batch_size == preset("coco")["training"]["batch_size"]
    assert values == {"preset": "coco", "training": {"epochs": 2}}
    assert preset("coco")["training"]["epochs"] == 20


def test_what_was_read_is_what_is_written():
    settings = train_settings({"preset": "flickr8k"})
    assert checked(TrainSettings, settings.model_dump(mode="json")) == settings


@given(st.dictionaries(st.sampled_from(["a", "b"]), st.integers()), st.sampled_from(["a", "b"]), st.integers())
def test_assign_sets_one_field(fields, field, value):
    values = {"g": dict(fields), "other": {"a": 1}}
    assign(values, f"g.{field}", value)
    assert values == {"g": {**fields, field: value}, "other": {"a": 1}}


def test_assign_makes_a_missing_group_and_refuses_what_has_none():
    values = {}
    assign(values, "training.epochs", 3)
    assert values == {"training": {"epochs": 3}}
    with pytest.raises(SettingsError, match=re.escape("'epochs' must be group.field, for example training.epochs")):
        assign(values, "epochs", 3)
    with pytest.raises(SettingsError, match="group 'training' is not a mapping"):
        assign({"training": 3}, "training.epochs", 3)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"training: [", "while parsing"),
        (b"- 1\n- 2\n", "holds list, expected a mapping"),
        (b"\xff\xfe\x00", "cannot read"),
    ],
)
def test_a_broken_settings_file_is_one_line_with_its_path(tmp_path, content, says):
    path = tmp_path / "settings.yaml"
    path.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        read_yaml(path)
    assert str(path) in str(caught.value)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_settings_file_is_named_and_an_empty_one_says_nothing(tmp_path):
    with pytest.raises(SettingsError, match="No such file"):
        read_yaml(tmp_path / "none.yaml")
    (tmp_path / "empty.yaml").write_text("# nothing yet\n")
    assert read_yaml(tmp_path / "empty.yaml") == {}


def test_times_and_dates_are_text(tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_text("{at: 23:30, night: 2026-03-01, count: 1_000, mask: 0x1f}")
    assert read_yaml(path) == {"at": "23:30", "night": "2026-03-01", "count": 1000, "mask": 31}
