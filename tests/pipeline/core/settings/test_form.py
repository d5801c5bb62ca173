import jsonschema
import pytest

from pipeline.core.errors import SettingsError
from pipeline.core.settings import DecodingSettings, TrainSettings, checked, preset, preset_names, train_settings
from pipeline.core.settings.form import (
    EMPTY_FIELD,
    FIRST,
    fields_of,
    optional,
    training_fields,
    training_values,
    with_defaults,
)
from serving.runs.settings import NightSettings
from serving.upkeep.rollback import RollbackSettings
from serving.upkeep.tables import TendingSettings

FIELDS = {field.name: field for field in training_fields()}
EVERY_SETTING = [
    f"{group}.{name}" for group, info in TrainSettings.model_fields.items() for name in info.annotation.model_fields
]


def empty_form(preset="scenes"):
    return {name: field.default for name, field in FIELDS.items()} | {"preset": preset}


def is_allowed(name, value):
    schema = FIELDS[name].schema
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema).is_valid(value)


def test_every_setting_is_a_field_under_its_group_after_those_that_matter_first():
    others = [name for name in EVERY_SETTING if name not in FIRST]
    assert list(FIELDS) == ["preset", *FIRST, *others, EMPTY_FIELD]
    assert FIELDS["training.batch_size"].section == "Training"
    assert {FIELDS[name].section for name in ("preset", *FIRST)} == {None}


@pytest.mark.parametrize("model", [NightSettings, RollbackSettings])
def test_sections_name_each_setting_at_most_once_and_only_settings(model):
    named = [name for names in model.sections.values() for name in names]
    assert len(named) == len(set(named))
    assert set(named) <= set(model.model_fields)
    assert {field.name for field in fields_of(model)} == set(model.model_fields)


def test_a_night_asks_first_for_what_matters_and_has_a_section_for_held_nights():
    fields = list(fields_of(NightSettings))
    assert [field.name for field in fields if field.section is None] == ["input", "model", "max_images", "stop_at"]
    held = {field.name for field in fields if field.section == "A night that is held back"}
    assert held == {"held_night", "accept_quarantine", "accept_drift", "accept_empty"}


@pytest.mark.parametrize("model", [NightSettings, RollbackSettings, TendingSettings])
def test_no_field_opens_with_an_error_as_it_may_not_be_as_empty_as_it_is(model):
    """Airflow shows an empty text as missing unless null is allowed."""
    for field in fields_of(model):
        assert field.default != "", field.name
        assert field.default is not None or "null" in field.schema["type"], field.name


@pytest.mark.parametrize("model", [NightSettings, RollbackSettings, TendingSettings])
def test_a_field_that_is_left_empty_has_its_default_unless_empty_means_something(model):
    fields = list(fields_of(model, {"policy": "everything"}))
    assert all("null" in optional(field).schema["type"] for field in fields)
    values = model.model_validate(with_defaults(fields, dict.fromkeys(field.name for field in fields)))
    expected = {field.name: None if "null" in field.schema["type"] else field.default for field in fields}
    assert values.model_dump() == expected


@pytest.mark.parametrize("model", [NightSettings, RollbackSettings, TendingSettings])
def test_an_unknown_setting_of_a_form_is_refused(model):
    with pytest.raises(SettingsError, match="unknown setting keep_day; known here: "):
        checked(model, with_defaults(fields_of(model), {"keep_day": 400}))


def test_a_field_tells_its_value_in_the_presets_and_no_list_offers_null():
    assert FIELDS["training.epochs"].description.endswith(" Presets: coco 20, flickr8k 8, scenes 10, tutorial 1.")
    assert FIELDS["decoding.seed"].description.endswith(" Presets: 0.")
    assert "Presets: empty." not in {field.description[-15:] for field in FIELDS.values()}
    for field in [*FIELDS.values(), *map(optional, fields_of(NightSettings))]:
        if None in field.schema.get("enum", ()):  # Airflow names every option by a key `None`
            assert field.schema["values_display"] in [{"null": text} for text in ("none", "as usual", "as the preset")]


@pytest.mark.parametrize("name", ["preset", *EVERY_SETTING])
def test_every_field_says_what_it_does_and_has_a_type(name):
    assert len(FIELDS[name].description) > 5
    assert FIELDS[name].description.endswith(".")
    assert FIELDS[name].schema["type"]


@pytest.mark.parametrize("name", ["preset", *EVERY_SETTING])
def test_a_field_accepts_its_default(name):
    assert is_allowed(name, FIELDS[name].default)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("preset", ["scenes", "coco"], [None, "flickr", 3]),
        (
            EMPTY_FIELD,
            [None, [], ["training.clip_norm", "source.terms"]],
            ["training.clip_norm", ["training.epochs"], [None]],
        ),
        ("training.epochs", [None, 1, 1000], [0, 1001, "3", 2.5, True]),
        ("training.learning_rate", [None, 1e-5, 1], [0, -1, 1.1, "fast"]),
        ("decoder.dropout", [0, 0.99], [-0.1, 1]),
        ("decoder.positions", [None, True, False], ["yes", 1]),
        ("decoder.fusion", [None, "late", "early", "hybrid"], ["middle", 3]),
        ("encoder.weights_sha256", [None, "0" * 64], ["0" * 63, "G" * 64]),
        ("source.images", [None, "/data/images"], [3]),
        ("source.max_images", [None, 10], [9, "all"]),
        ("registry.model_name", [None, "a-b_C1"], ["", "a b", "x" * 65]),
        ("registry.experiment", [None, "one"], ["", "x" * 65]),
    ],
)
def test_a_field_accepts_what_the_settings_accept(name, good, bad):
    assert [value for value in good if not is_allowed(name, value)] == []
    assert [value for value in bad if is_allowed(name, value)] == []


@pytest.mark.parametrize("name", preset_names())
def test_an_empty_form_is_the_preset(name):
    assert train_settings(training_values(empty_form(name))) == train_settings({"preset": name})


def test_a_filled_field_replaces_the_preset_s_value_only():
    form = empty_form("coco") | {"training.epochs": 2, "decoder.positions": False, "encoder.fit": "pad"}
    settings = train_settings(training_values(form))
    dumped, expected = settings.model_dump(), train_settings({"preset": "coco"}).model_dump()
    expected["training"]["epochs"] = 2
    expected["decoder"]["positions"] = False
    expected["encoder"]["fit"] = "pad"
    assert dumped == expected
    assert preset("coco")["training"]["epochs"] != 2


def test_settings_that_the_form_empties_are_empty_though_the_preset_fills_them():
    form = empty_form("flickr8k") | {EMPTY_FIELD: ["training.clip_norm", "encoder.side"]}
    settings = train_settings(training_values(form))
    assert (settings.training.clip_norm, settings.encoder.side) == (None, None)
    assert settings == train_settings(
        {"preset": "flickr8k", "training": {"clip_norm": None}, "encoder": {"side": None}}
    )
    filled = train_settings(training_values(form | {"encoder.side": 224}))
    assert (filled.training.clip_norm, filled.encoder.side) == (None, 224)


def test_what_the_form_cannot_know_the_settings_still_refuse():
    with pytest.raises(SettingsError, match=r"needs source\.images"):
        train_settings(training_values(empty_form() | {"source.kind": "coco_json"}))


def test_fields_of_one_group_carry_their_own_defaults():
    fields = {field.name: field for field in fields_of(DecodingSettings)}
    assert {name: field.default for name, field in fields.items()} == DecodingSettings().model_dump()
    assert fields["beam_width"].schema == {"type": "integer", "minimum": 1, "maximum": 20}
    usual = {field.name: field.default for field in fields_of(DecodingSettings, {"beam_width": 7})}
    assert usual == DecodingSettings(beam_width=7).model_dump()
