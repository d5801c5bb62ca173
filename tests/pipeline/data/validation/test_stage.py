import re
from pathlib import Path

import pandas as pd
import pytest

from pipeline.core import reasons
from pipeline.core.errors import DatasetRejected
from pipeline.core.settings import ValidationSettings
from pipeline.data.snapshot import take_snapshot
from pipeline.data.validation import validate
from pipeline.data.validation.stage import accepted_decoding
from pipeline.storage.files import read_json
from pipeline.storage.stage_outputs import Store
from tests.pipeline.data.validation.bad_dataset import LENIENT


def test_a_second_run_does_no_work(validated):
    settings = LENIENT.model_copy(update={"max_megapixels": 1.0, "max_image_bytes": 200_000})
    assert validate(settings, validated.snapshot, None, validated.store) == validated.output


def rejected(dataset, tmp_path, **settings):
    store = Store(tmp_path / "store")
    snapshot = take_snapshot(dataset.settings(), dataset.source(), store)
    with pytest.raises(DatasetRejected) as caught:
        validate(ValidationSettings(**settings), snapshot, dataset.source(), store)
    assert not list((store.root / "stages").glob("validate/*"))
    return str(caught.value)


def test_too_few_images_in_a_split_reject_the_dataset(new_dataset, tmp_path):
    dataset = new_dataset()
    dataset.fill(30)
    dataset.fill(4, "val", first=100)
    dataset.fill(6, "test", first=200)
    message = rejected(dataset, tmp_path, min_images=5)
    assert "val_images is 4, needed: at least 5 accepted images in val;" not in message
    assert "val_images is 4, needed: at least 5 accepted images in val." in message
    assert "train_images" not in message
    assert "test_images" not in message


def test_too_much_quarantine_rejects_the_dataset_and_keeps_the_evidence(new_dataset, tmp_path):
    dataset = new_dataset()
    for first, split in ((0, "train"), (100, "val"), (200, "test")):
        dataset.fill(6, split, first)
    dataset.add("gone.png", ["a caption", ".", "!"])
    message = rejected(dataset, tmp_path, min_images=3, max_quarantine_share=0.01)
    assert "image_quarantine_share is 0.0526316, needed: at most 1% of the images quarantined" in message
    assert "caption_quarantine_share is 0.0215054, needed: at most 1% of the captions quarantined" in message
    assert "1 of 19 images missing, first 'gone.png'; 2 of 93 captions empty_caption, first 'gone.png'." in message
    index, quarantine = re.search(r"in (\S+index\.html) and (\S+quarantine\.parquet)", message).groups()
    assert "Rejected" in Path(index).read_text()
    assert set(pd.read_parquet(quarantine)["reason"]) == {reasons.MISSING, reasons.EMPTY_CAPTION}
    assert rejected(dataset, tmp_path, min_images=3, max_quarantine_share=0.01) == message


def test_an_empty_dataset_is_rejected(new_dataset, tmp_path):
    dataset = new_dataset()
    dataset.entries["train"] = []
    message = rejected(dataset, tmp_path)
    assert "train_images is 0, needed: at least 20" in message


def test_the_stage_writes_what_shaped_it(validated):
    recipe = read_json(validated.output.path / "stage.json")
    assert recipe["inputs"] == {"snapshot": validated.snapshot.digest}
    assert recipe["settings"]["max_megapixels"] == 1.0


def test_21_4_a_dataset_whose_images_decode_otherwise_than_before_is_validated_anew(new_dataset, image, tmp_path):
    dataset, store = new_dataset(), Store(tmp_path / "store")
    for first, split in ((0, "train"), (100, "val"), (200, "test")):
        dataset.fill(3, split, first)
    dataset.add("scan.tif", data=image(9, format="TIFF"))
    snapshot = take_snapshot(dataset.settings(), dataset.source(), store)
    assert accepted_decoding(validate(LENIENT, snapshot, dataset.source(), store).path) == 2


def test_21_an_image_whose_decoder_had_a_passing_trouble_is_tried_again_by_the_next_training(
    new_dataset, image, tmp_path, holes, monkeypatch
):
    dataset, store = new_dataset(), Store(tmp_path / "store")
    for first, split in ((0, "train"), (100, "val"), (200, "test")):
        dataset.fill(3, split, first)
    dataset.add("victim.png", data=image(9) + b"#crash")
    snapshot = take_snapshot(dataset.settings(), dataset.source(), store)

    def validated():
        output = validate(LENIENT, snapshot, dataset.source(), store)
        quarantine = pd.read_parquet(output.path / "quarantine.parquet")
        return output.digest, set(quarantine["reason"])

    before = validated()
    assert before[1] == {reasons.DECODER_CRASHED}
    assert validated() == before
    monkeypatch.delenv("PYTHONPATH")
    after = validated()
    assert after == validated()
    assert after == (after[0], set())
    assert after[0] != before[0]
