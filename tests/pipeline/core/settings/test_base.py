from pathlib import Path
from typing import Annotated

import pytest

from pipeline.core.settings import (
    DecoderSettings,
    Effect,
    GateSettings,
    Group,
    PathMark,
    SourceSettings,
    TrainSettings,
    ValidationSettings,
    marks_of,
    settings_with,
    train_settings,
)
from pipeline.storage.files import digest_of

PUBLISHED = {
    "encoder.weights",
    "source.corrections",
    "training.start_from",
    "validation.reference",
    "validation.waivers",
}


def test_settings_that_hold_paths_are_marked():
    marks = marks_of(TrainSettings, PathMark)
    assert {name for name, mark in marks.items() if mark.published} == PUBLISHED
    assert {name for name in marks if name.startswith("source.")} == {
        f"source.{name}"
        for name in ("images", "train_annotations", "val_annotations", "test_annotations", "data_dir", "corrections")
    }
    typed = {
        f"{group}.{name}"
        for group, info in TrainSettings.model_fields.items()
        for name, field in info.annotation.model_fields.items()
        if field.annotation == Path | None
    }
    assert typed
    assert typed <= marks.keys()


def test_a_mark_of_a_group_is_that_of_all_its_settings():
    class Inner(Group):
        first: Annotated[str, Effect.ON_SNAPSHOT] = ""
        second: str = ""

    class Outer(Group):
        marked: Annotated[Inner, Effect.NOT_ON_LEARNING] = Inner()
        plain: Inner = Inner()
        alone: Annotated[str, PathMark(), Effect.NOT_ON_SHAPES] = ""

    assert marks_of(Outer, Effect) == {
        "marked.first": Effect.NOT_ON_LEARNING,
        "marked.second": Effect.NOT_ON_LEARNING,
        "plain.first": Effect.ON_SNAPSHOT,
        "alone": Effect.NOT_ON_SHAPES,
    }
    assert marks_of(Outer, PathMark) == {"alone": PathMark()}


@pytest.mark.parametrize(
    ("group", "name", "value"),
    [("validation", "max_length_drift", 0.2), ("validation", "max_new_words", 0.5), ("gate", "slice_images", 7)],
)
def test_a_setting_that_became_a_constant_is_ignored_with_a_warning(caplog, group, name, value):
    assert train_settings({group: {name: value}}) == train_settings({})
    (line,) = caplog.messages
    assert line.startswith(f"{name} is no setting any more")
    assert train_settings({group: {}}) == train_settings({})
    assert len(caplog.messages) == 1


def test_constants_keep_their_part_in_the_digests_of_stages():
    validation, gate = ValidationSettings(), GateSettings()
    of_validation = validation.model_dump(mode="json", exclude={"waivers", "reference"}) | validation.constants
    assert digest_of(of_validation) == "dd4345532bb728fa7e38a58dd3279ad5c0a584190680036f28b17c659063d304"
    of_gate = gate.model_dump(mode="json", exclude={"approval"}) | gate.constants
    assert digest_of(of_gate) == "5d2d57e10aa8603b0edcba0e00b3b314f167439a7900fa007ed761b939008058"


def test_the_effects_of_settings_of_a_training():
    free = settings_with(Effect.NOT_ON_LEARNING, TrainSettings)
    assert {name for name in free if not name.startswith("gate.")} == {
        "source.data_dir",
        "source.terms",
        "registry.model_name",
        "registry.experiment",
        "encoder.shards",
        "encoder.int8_tolerance",
        "encoder.batch_size",
    }
    assert "gate.approval" in free
    assert settings_with(Effect.NOT_ON_SHAPES, DecoderSettings) == {"dropout"}
    assert settings_with(Effect.ON_SNAPSHOT, SourceSettings) == {"kind", "val_cut", "test_cut", "max_images"}
    assert settings_with(Effect.ON_SNAPSHOT_IF_SET, SourceSettings) == {
        "people_terms",
        "language",
        "max_train_images",
        "corrections_held_out",
        "exclude",
    }
