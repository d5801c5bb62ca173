import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pytest

from pipeline.core import reasons
from pipeline.core.errors import DatasetRejected
from pipeline.core.settings import ValidationSettings
from pipeline.data.snapshot import Snapshot, take_snapshot
from pipeline.data.validation import validate
from pipeline.data.validation.expectation_suites import Suites
from pipeline.data.validation.rules import Rule
from pipeline.storage.files import read_json
from pipeline.storage.stage_outputs import Store

HOSTILE = "<img src=x onerror=alert(1)>.png"
LENIENT = ValidationSettings(min_images=3, max_quarantine_share=1, max_caption_repeats=4)

BAD_CAPTIONS = {
    "a \u202edesrever\u202c image": reasons.BAD_CHARACTERS,
    "a bell \x07 rings": reasons.BAD_CHARACTERS,
    "a \ue000 glyph of ours": reasons.BAD_CHARACTERS,
    "mis\ufffdread words here": reasons.BAD_CHARACTERS,
    "a <b>bold</b> dog": reasons.MARKUP,
    "salt &amp; pepper here": reasons.MARKUP,
    "": reasons.EMPTY_CAPTION,
    " \n\t": reasons.EMPTY_CAPTION,
    "... !!": reasons.EMPTY_CAPTION,
    "dog": reasons.CAPTION_TOO_SHORT,
    "=2+5 dogs": reasons.FORMULA,
    "look at www.example.org today": reasons.LINK,
    "ask bob@example.org about it": reasons.PERSONAL_DATA,
    "word " * 61: reasons.CAPTION_TOO_LONG,
    "two " + "x" * 2000: reasons.CAPTION_TOO_LONG,
    "repeated far too often": reasons.REPEATED_CAPTION,
}
GOOD_CAPTIONS = [
    "A dog, 3 cats & a <3.",
    "一只狗在草地上跑",
    "สุนัขวิ่งเล่นบนสนามหญ้า",
    "\u06a9\u062a\u0627\u0628\u200c\u0647\u0627 \u0631\u0648\u06cc \u0645\u06cc\u0632",  # Persian writes with zero-width non-joiners
    "Собака бежит.",
    "two\nlines",
    "👨‍👩‍👧 on a bench",
]


class Validated:
    """A dataset with one bad row for every row rule, validated once."""

    def __init__(self, dataset, image, store):
        self.store = store
        dataset.fill(60)
        for number, caption in enumerate(BAD_CAPTIONS):
            dataset.add(f"caption-{number}.png", [f"good caption {number}", caption], data=image(700 + number))
        for number in range(4):
            dataset.add(
                f"repeat-{number}.png", [f"number {number}", "repeated far  too often"], data=image(800 + number)
            )
        dataset.add("scripts.png", GOOD_CAPTIONS, data=image(820))
        dataset.add("said-twice.png", ["said twice here", "said once", "said  twice here"], data=image(821))
        dataset.add(HOSTILE, ["a hostile name"])
        dataset.add("changed.png", ["soon another"], data=image(822))
        dataset.add("page.jpg", ["a web page"], data=b"<html><body>no image</body></html>")
        dataset.add("cut.png", ["half an image"], data=image(823)[:-30])
        dataset.add("tiny.png", ["a tiny image"], data=image(824, side=31))
        dataset.add("vast.png", ["a vast image"], data=image(825, side=1100))
        dataset.add("heavy.bmp", ["a heavy image"], data=image(826, side=300, format="BMP"))
        dataset.add("silent.png", [], data=image(827))
        dataset.add("unheard.png", ["..."], data=image(828))
        dataset.add("twin.png", ["the first twin"], data=image(829))
        dataset.add("twin-2.png", ["the second twin"], data=image(829))
        dataset.add("train-and-val.png", ["seen in train"], data=image(830))
        dataset.add("train-and-test.png", ["seen in train again"], data=image(831))
        for number in range(5):
            dataset.add(f"val-{number}.png", [f"val image {number}"], "val", image(840 + number))
            dataset.add(f"test-{number}.png", [f"test image {number}"], "test", image(850 + number))
        dataset.add("val.png", ["seen in val"], "val", image(830))
        dataset.add("val-and-test.png", ["seen in val again"], "val", image(831))
        dataset.add("test.png", ["seen in test"], "test", image(831))
        self.source = dataset.source()
        self.snapshot = take_snapshot(dataset.settings(), self.source, store)
        (dataset.images / "changed.png").write_bytes(image(999))
        settings = LENIENT.model_copy(update={"max_megapixels": 1.0, "max_image_bytes": 200_000})
        self.output = validate(settings, self.snapshot, self.source, store)
        self.quarantine = pd.read_parquet(self.output.path / "quarantine.parquet")

    def reason_of(self, image):
        rows = self.quarantine[(self.quarantine["kind"] == "image") & (self.quarantine["image"] == image)]
        return rows["reason"].item() if len(rows) else None


@pytest.fixture(scope="module")
def validated(new_dataset, image, tmp_path_factory):
    return Validated(new_dataset(), image, Store(tmp_path_factory.mktemp("store")))


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


def test_every_reason_given_is_documented(validated):
    for kind, known in (("image", reasons.IMAGE_REASONS), ("caption", reasons.CAPTION_REASONS)):
        assert set(validated.quarantine["reason"][validated.quarantine["kind"] == kind]) <= set(known)
    for text in (reasons.IMAGE_REASONS | reasons.CAPTION_REASONS | reasons.DATASET_REASONS).values():
        assert text.endswith(".")
        assert "\n" not in text


class Tags(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page.read_text())

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_data_docs_can_be_moved_and_name_every_rule(validated, tmp_path):
    docs = (validated.output.path / "data_docs").rename(tmp_path / "moved")
    try:
        pages = list(docs.rglob("*.html"))
        assert len(pages) == 8  # the overview, the site's index, three suites and their results
        for page in pages:
            links = [attributes["href"] for tag, attributes in Tags(page).found if tag == "a"]
            for link in links:
                assert re.match(r"https?:|#", link) or (page.parent / unquote(link)).is_file(), (page, link)
        overview = (docs / "index.html").read_text()
        assert "no image twice in a split" in overview
        assert "at least 3 accepted images in val" in overview
    finally:
        docs.rename(validated.output.path / "data_docs")


def test_data_docs_show_failing_rows_but_run_nothing_of_theirs(validated):
    pages = list((validated.output.path / "data_docs").rglob("*.html"))
    assert any("&lt;img src=x onerror=alert(1)&gt;.png" in page.read_text() for page in pages)
    assert not any("onerror" in attributes for page in pages for _, attributes in Tags(page).found)


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
    index, quarantine = re.search(r"in (\S+index\.html) and (\S+quarantine\.parquet)", message).groups()
    assert "Rejected" in Path(index).read_text()
    assert set(pd.read_parquet(quarantine)["reason"]) == {reasons.MISSING, reasons.EMPTY_CAPTION}
    assert rejected(dataset, tmp_path, min_images=3, max_quarantine_share=0.01) == message


def test_an_empty_dataset_is_rejected(new_dataset, tmp_path):
    dataset = new_dataset()
    dataset.entries["train"] = []
    message = rejected(dataset, tmp_path)
    assert "train_images is 0, needed: at least 20" in message


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


def test_the_stage_writes_what_shaped_it(validated):
    recipe = read_json(validated.output.path / "stage.json")
    assert recipe["inputs"] == {"snapshot": validated.snapshot.digest}
    assert recipe["settings"]["max_megapixels"] == 1.0


def test_a_rule_that_cannot_be_checked_passes_nobody(tmp_path):
    with pytest.raises(RuntimeError, match="'no such fact' on 'absent' could not be checked"):
        Suites(tmp_path).judge("facts", pd.DataFrame({"row": [0]}), [Rule("absent", "no such fact", high=0)], ("row",))
