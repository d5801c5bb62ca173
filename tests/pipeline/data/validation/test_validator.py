import pytest

from pipeline.core import reasons
from pipeline.data.snapshot import Snapshot, take_snapshot
from pipeline.data.validation import validate
from pipeline.storage.stage_outputs import Store
from tests.pipeline.data.validation.bad_dataset import BAD_CAPTIONS, GOOD_CAPTIONS, HOSTILE, LENIENT


@pytest.mark.parametrize("caption", BAD_CAPTIONS)
def test_a_bad_caption_is_quarantined_with_its_reason(validated, caption):
    rows = validated.quarantine[validated.quarantine["kind"] == "caption"]
    row = rows[rows["caption"] == caption].iloc[0]
    assert row["reason"] == BAD_CAPTIONS[caption]
    assert row["position"] == 1
    assert caption not in set(Snapshot.load(validated.output.path).captions["caption"])


def test_captions_in_any_script_are_accepted(validated):
    captions = Snapshot.load(validated.output.path).captions
    assert list(captions[captions["image"] == "scripts.png"]["caption"]) == GOOD_CAPTIONS


def test_every_repetition_is_quarantined_whatever_its_spacing(validated):
    assert (validated.quarantine["reason"] == reasons.REPEATED_CAPTION).sum() == 5


def test_a_caption_twice_on_one_image_stays_once(validated):
    captions = Snapshot.load(validated.output.path).captions
    assert list(captions[captions["image"] == "said-twice.png"]["position"]) == [0, 1]
    row = validated.quarantine[validated.quarantine["image"] == "said-twice.png"].iloc[0]
    assert (row["kind"], row["position"], row["reason"]) == ("caption", 2, reasons.DUPLICATE)


@pytest.mark.parametrize(
    ("name", "reason"),
    {
        HOSTILE: reasons.MISSING,
        "changed.png": reasons.SOURCE_CHANGED,
        "page.jpg": "not_an_image",
        "cut.png": "truncated",
        "tiny.png": "too_small",
        "vast.png": "too_many_pixels",
        "heavy.bmp": "too_large_file",
        "silent.png": reasons.NO_CAPTION,
        "unheard.png": reasons.NO_CAPTION,
        "twin.png": None,
        "twin-2.png": reasons.DUPLICATE,
        "train-and-val.png": reasons.IN_TWO_SPLITS,
        "train-and-test.png": reasons.IN_TWO_SPLITS,
        "val-and-test.png": reasons.IN_TWO_SPLITS,
        "val.png": None,
        "test.png": None,
    }.items(),
)
def test_a_bad_image_is_quarantined_with_its_reason(validated, name, reason):
    assert validated.reason_of(name) == reason
    accepted = Snapshot.load(validated.output.path)
    assert (name in set(accepted.images["image"])) == (name in set(accepted.captions["image"])) == (reason is None)


def test_every_row_is_accepted_or_accounted_for(validated):
    whole, accepted = Snapshot.load(validated.snapshot.path), Snapshot.load(validated.output.path)
    figures = validated.output.figures()
    for kind, table, kept in (("image", whole.images, accepted.images), ("caption", whole.captions, accepted.captions)):
        counts = figures[f"{kind}s"]
        quarantined = (validated.quarantine["kind"] == kind).sum()
        assert sum(counts["quarantined"].values()) == quarantined
        assert (counts["read"], counts["accepted"]) == (len(table), len(kept))
        assert counts["accepted"] + quarantined + counts.get("left_with_their_image", 0) == counts["read"]
    assert figures["splits"] == {"train": 83, "val": 6, "test": 6}


def test_accepted_images_carry_their_size(validated):
    images = Snapshot.load(validated.output.path).images
    assert set(images["width"]) == set(images["height"]) == {40}


def test_splits_cut_by_hash_share_no_image(new_dataset, tmp_path, image):
    dataset = new_dataset()
    dataset.fill(60)
    for number in range(30):
        dataset.add(f"again-{number}.png", ["the same again"], data=image(number))
    store = Store(tmp_path / "store")
    snapshot = take_snapshot(dataset.settings(), dataset.source(), store)
    figures = validate(
        LENIENT.model_copy(update={"max_caption_repeats": 50}), snapshot, dataset.source(), store
    ).figures()
    assert figures["images"]["quarantined"] == {reasons.DUPLICATE: 30}


def test_an_unsound_copy_displaces_no_sound_one(new_dataset, tmp_path, image):
    dataset = new_dataset()
    for first, split in ((0, "train"), (100, "val"), (200, "test")):
        dataset.fill(4, split, first)
    dataset.add("without-caption.png", [], "test", image(300))
    dataset.add("with-caption.png", ["a good caption"], "train", image(300))
    store = Store(tmp_path / "store")
    snapshot = take_snapshot(dataset.settings(), dataset.source(), store)
    output = validate(LENIENT, snapshot, dataset.source(), store)
    assert output.figures()["images"]["quarantined"] == {reasons.NO_CAPTION: 1}
