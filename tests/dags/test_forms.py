"""Airflow's forms: every setting, described and checked."""

import pytest

from pipeline.core.settings import preset_names
from tests.dags.forms import FIELDS, is_allowed

EVERY_FIELD = [(dag, field.name) for dag, fields in FIELDS.items() for field in fields]


@pytest.mark.parametrize(("dag", "name"), EVERY_FIELD)
def test_a_param_has_a_description_a_type_and_a_default_that_fits(dags, dag, name):
    param = dags[dag]["params"][name]
    field = next(field for field in FIELDS[dag] if field.name == name)
    assert param["description"] == field.description
    assert param["description"].endswith(".")
    assert param["schema"]["type"]
    assert param["schema"]["section"] == field.section
    assert is_allowed(param, param["default"])


@pytest.mark.parametrize(("dag", "name"), EVERY_FIELD)
def test_only_what_must_be_filled_is_marked_as_required(dags, dag, name):
    """Airflow's mark: a type other than null must be there."""
    is_required = "null" not in dags[dag]["params"][name]["schema"]["type"]
    assert is_required == (name == "preset")


@pytest.mark.parametrize("dag", FIELDS)
def test_every_setting_is_a_param(dags, dag):
    assert list(dags[dag]["params"]) == [field.name for field in FIELDS[dag]]


def test_presets_are_offered_by_name(dags):
    param = dags["train_captioner"]["params"]["preset"]
    assert param["schema"]["enum"] == preset_names()
    assert param["default"] == "scenes"


@pytest.mark.parametrize(
    ("dag", "name", "value"),
    [
        ("train_captioner", "preset", "flickr"),
        ("train_captioner", "preset", None),
        ("train_captioner", "training.epochs", 0),
        ("train_captioner", "training.epochs", "3"),
        ("train_captioner", "training.learning_rate", 2),
        ("train_captioner", "self_critical.samples", 1),
        ("train_captioner", "encoder.name", "vgg"),
        ("train_captioner", "source.max_images", 9),
        ("train_captioner", "registry.model_name", "a b"),
        ("train_captioner", "gate.approval", "nobody"),
        ("caption_nightly", "max_images", 0),
        ("caption_nightly", "stop_at", "25:00"),
        ("caption_nightly", "max_quarantine_share", 1.5),
        ("caption_nightly", "accept_quarantine", "yes"),
        ("caption_nightly", "model", ""),
        ("caption_nightly", "replay_reasons", "empty"),
        ("caption_nightly", "replay_reasons", [1]),
        ("caption_nightly", "max_caption_length", 0),
        ("tend_tables", "keep_days", -1),
    ],
)
def test_a_bad_value_is_refused_by_the_form(dags, dag, name, value):
    assert not is_allowed(dags[dag]["params"][name], value)
