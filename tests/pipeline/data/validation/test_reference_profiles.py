"""Profiles that snapshots are compared with: which one, and whether a file is one."""

import io

import numpy as np
import pytest
from PIL import Image

from pipeline.core.errors import DatasetRejected, SettingsError
from pipeline.core.settings import SourceSettings, ValidationSettings
from pipeline.data.snapshot import take_snapshot
from pipeline.data.validation import validate
from pipeline.data.validation.reference_profiles import ReferenceProfiles, collection_of
from pipeline.storage.files import read_json, write_json
from pipeline.storage.stage_outputs import Store

COMMON = ValidationSettings(min_images=3, near_duplicate_bits=None)


def noisy(number, shade=0):
    """An image like no other, darker or brighter."""
    cells = np.random.default_rng(number).integers(0, 156, (5, 5, 3)) + shade
    buffer = io.BytesIO()
    Image.fromarray(cells.astype(np.uint8)).resize((40, 40)).save(buffer, "PNG")
    return buffer.getvalue()


def snapshot_of(new_dataset, store, first, shade=0):
    dataset = new_dataset()
    for number in range(first, first + 60):
        split = ("train", "train", "train", "val", "test")[number % 5]
        dataset.add(f"{number}.png", [f"a plain image number {number}"] * 1, split, noisy(number, shade))
    return dataset.source(), take_snapshot(dataset.settings(), dataset.source(), store)


def test_each_snapshot_is_compared_with_the_one_accepted_before(new_dataset, tmp_path):
    store = Store(tmp_path / "store")
    source, first = snapshot_of(new_dataset, store, 0)
    accepted = validate(COMMON, first, source, store, "images")
    assert "drift" not in accepted.figures()
    other, second = snapshot_of(new_dataset, store, 100)
    later = validate(COMMON, second, other, store, "images")
    assert max(later.figures()["drift"].values()) <= 0.15
    assert validate(COMMON, first, None, store, "images") == accepted  # nothing changed: no work
    assert validate(COMMON, second, None, store, "images") == later
    bright, third = snapshot_of(new_dataset, store, 200, shade=99)
    with pytest.raises(
        DatasetRejected, match=r"brightness_drift is 0\.\d+, needed: the brightness of images differs by"
    ):
        validate(COMMON, third, bright, store, "images")
    assert len(list((tmp_path / "store/references/images").iterdir())) == 2
    warned = validate(COMMON.model_copy(update={"drift": "warn"}), third, bright, store, "images")
    assert warned.figures()["drift"]["brightness_drift"] > 0.2
    page = (warned.path / "data_docs" / "index.html").read_text()
    assert "Accepted" in page
    assert "too much" in page
    assert ReferenceProfiles.of(store, "images").before("another") == read_json(warned.path / "profile.json")


def test_a_collection_is_compared_with_its_own_kind_or_a_named_profile(new_dataset, tmp_path):
    store = Store(tmp_path / "store")
    source, first = snapshot_of(new_dataset, store, 0)
    accepted = validate(COMMON, first, source, store, "images")
    bright, third = snapshot_of(new_dataset, store, 200, shade=99)
    assert "drift" not in validate(COMMON, third, bright, store, "others").figures()
    named = COMMON.model_copy(update={"reference": str(accepted.path / "profile.json")})
    with pytest.raises(DatasetRejected, match="brightness_drift"):
        validate(named, third, bright, store, "others")
    write_json(tmp_path / "other.json", {"words": {}})
    with pytest.raises(SettingsError, match="neither last, none nor a profile"):
        validate(COMMON.model_copy(update={"reference": str(tmp_path / "other.json")}), third, bright, store, "others")


def test_more_images_of_a_source_are_the_same_collection():
    few, many = SourceSettings(scene_count=100), SourceSettings(scene_count=200)
    assert collection_of(few) == collection_of(many)
    assert collection_of(few) != collection_of(SourceSettings(people_terms="neutral"))
    assert collection_of(few) == collection_of(few.model_copy(update={"language": "en"})) == "9ae200c736962558"


def test_a_delivery_under_another_name_is_compared_with_the_one_before(tmp_path):
    january = SourceSettings(kind="coco_json", images=tmp_path, train_annotations=tmp_path / "jan.json")
    february = january.model_copy(
        update={"train_annotations": tmp_path / "feb.json", "val_annotations": tmp_path / "v", "exclude": ("raw",)}
    )
    assert collection_of(january) == collection_of(february)
    assert collection_of(january) != collection_of(january.model_copy(update={"images": str(tmp_path / "others")}))


def test_that_nothing_is_compared_is_told_where_other_sources_were_accepted(new_dataset, tmp_path, caplog):
    store = Store(tmp_path / "store")
    source, first = snapshot_of(new_dataset, store, 0)
    validate(COMMON, first, source, store, "images")
    validate(COMMON, first, source, store, "images")
    assert "compared with none" not in caplog.text
    validate(COMMON, first, source, store, "others")
    assert "compared with none, though 1 of other sources were" in caplog.text


def test_a_snapshot_that_loses_a_race_is_accepted_after_the_winner(tmp_path):
    references = ReferenceProfiles(tmp_path)
    references.accept("first", {"images": 1})
    references.accept("second", {"images": 2})
    references.accept("first", {"images": 3})
    assert [read_json(file)["snapshot"] for file in sorted(tmp_path.iterdir())] == ["first", "second"]
    assert references.before("first") is None
    assert references.before("second") == {"images": 1}
    assert references.before("third") == {"images": 2}


def test_where_an_entry_was_removed_the_next_one_follows_the_last(tmp_path):
    references = ReferenceProfiles(tmp_path)
    references.accept("first", {"images": 1})
    references.accept("second", {"images": 2})
    (tmp_path / "00000001.json").unlink()
    references.accept("third", {"images": 3})
    assert references.snapshots() == ["second", "third"]
    assert references.before("fourth") == {"images": 3}
