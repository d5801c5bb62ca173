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


def complaint(values, kind=TrainSettings):
    with pytest.raises(SettingsError) as caught:
        train_settings(values) if kind is TrainSettings else checked(kind, values)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("training.epochs", 0, "greater than or equal to 1"),
        ("training.epochs", "many", "valid integer"),
        ("training.epochs", 2.5, "valid integer"),
        ("training.learning_rate", 0, "greater than 0"),
        ("training.learning_rate", float("nan"), "finite"),
        ("training.clip_norm", float("inf"), "finite"),
        ("training.seed", 2**32, "less than 4294967296"),
        ("training.seed", -1, "greater than or equal to 0"),
        ("decoder.dropout", 1.0, "less than 1"),
        ("decoder.fusion", "middle", "'late', 'early' or 'hybrid'"),
        ("decoding.method", "guess", "'greedy', 'beam' or 'sample'"),
        ("decoding.beam_width", 21, "less than or equal to 20"),
        ("encoder.name", "vgg16", "'inception_resnet_v2', 'resnet50', 'mobilenet' or 'xception'"),
        ("encoder.weights_sha256", "abc", "[0-9a-f]{64}"),
        ("encoder.fit", "stretch", "'squash', 'pad' or 'crop'"),
        ("source.kind", "web", "'scenes', 'coco_json' or 'tfds'"),
        ("source.val_cut", float("inf"), "finite"),
        ("source.scene_side", 95, "greater than or equal to 96"),
        ("vocabulary.vocabulary_size", 7, "greater than or equal to 8"),
        ("registry.model_name", "a model/é", "[A-Za-z0-9_-]{1,64}"),
        ("registry.experiment", "", "at least 1 character"),
        ("validation.max_quarantine_share", 1.5, "less than or equal to 1"),
    ],
)
def test_a_wrong_value_is_one_line_with_its_name_the_value_and_what_is_allowed(name, value, allowed):
    group, field = name.split(".")
    message = complaint({group: {field: value}})
    assert message.startswith(f"{name}: ")
    assert repr(value) in message
    assert allowed in message


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


def test_coco_needs_its_files():
    message = complaint({"source": {"kind": "coco_json"}})
    assert message == "source: source.kind=coco_json needs source.images and source.train_annotations"


def test_the_scenes_encoder_takes_images_of_one_side_only():
    assert "encoder.side=224: the scenes encoder takes 112 pixels only" in complaint(
        {"encoder": {"name": "scenes", "side": 224}}
    )


def test_a_shortest_caption_above_the_longest_is_refused():
    message = complaint({"decoding": {"min_words": 30, "max_words": 20}})
    assert message.startswith("decoding: decoding.min_words=30 is above decoding.max_words=20")
    assert "lower the first or raise the second" in message


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


def test_settings_do_not_change():
    with pytest.raises(ValueError, match="frozen"):
        train_settings({}).training.epochs = 3


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
        (b"\xff\xfe\x00", "cannot read settings file"),
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
