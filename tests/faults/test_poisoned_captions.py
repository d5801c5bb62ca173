"""Captions that somebody wrote to do harm, or that hold what nobody may learn by heart."""

import json
import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from pipeline.core import reasons
from pipeline.core.environment import Home
from pipeline.core.errors import DatasetRejected, SettingsError
from pipeline.core.settings import TrainSettings, ValidationSettings
from pipeline.data.snapshot import Snapshot
from pipeline.model.vocabulary import Vocabulary
from pipeline.training.run import TrainingRun
from pipeline.training_pipeline import run_stage, run_until
from tests.pipeline.conftest import Dataset, image_of

MARK = "zzpoison"  # in every poisoned caption, and in no other
REPEATED = f"{MARK} is repeated"
POISON = {
    f"<script>alert('{MARK}')</script> a dog": reasons.MARKUP,
    f"a dog <img src=x onerror=alert(1)> {MARK}": reasons.MARKUP,
    f"&#60;b&#62; {MARK} in entities": reasons.MARKUP,
    f'=HYPERLINK("http://evil.example","{MARK}")': reasons.FORMULA,
    f"+cmd|' /C calc'!{MARK}": reasons.FORMULA,
    f"@SUM({MARK})": reasons.FORMULA,
    f"a dog \x1b[31m{MARK}": reasons.BAD_CHARACTERS,
    f"a \u202e{MARK}\u202c dog": reasons.BAD_CHARACTERS,
    f"{MARK} " + "x" * 1_000_000: reasons.CAPTION_TOO_LONG,
    f"{MARK} word " * 100_000: reasons.CAPTION_TOO_LONG,
    f"write to {MARK}@example.com now": reasons.PERSONAL_DATA,
    f"write to {MARK}\uff20ex\u200bample.com now": reasons.PERSONAL_DATA,
    f"call {MARK} at +1 555 123 4567": reasons.PERSONAL_DATA,
    f"click javascript:{MARK}()": reasons.LINK,
    f"buy at https://{MARK}.example now": reasons.LINK,
}


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory):
    """A collection of which some captions are poison, one of it 10,000 times; and what was made of it."""
    dataset = Dataset(tmp_path_factory.mktemp("dataset"))
    for split, first in (("train", 0), ("val", 100), ("test", 200)):
        dataset.fill(30, split, first)
    for number, caption in enumerate(POISON):
        dataset.add(f"poison-{number}.png", ["a plain image of poison", caption], data=image_of(300 + number))
    for number in range(10):
        dataset.add(
            f"many-{number}.png",
            [f"many {number}", *[f"{REPEATED}{' ' * k}" for k in range(1000)]],
            data=image_of(400 + number),
        )
    root = tmp_path_factory.mktemp("poisoned")
    rules = ValidationSettings(min_images=5, max_quarantine_share=1)
    run = TrainingRun(TrainSettings(source=dataset.settings(), validation=rules), Home(root, root / "store", ""))
    return run_until("adapt_vocabulary", run)


def quarantine(run):
    return pd.read_parquet(run.output("validate").path / "quarantine.parquet")


def test_21_poison_is_quarantined_with_its_reason(poisoned):
    rows = quarantine(poisoned)
    given = dict(zip(rows["caption"], rows["reason"], strict=True))
    for caption, reason in POISON.items():
        assert given[caption] == reason, caption[:80]
    repeated = rows[rows["caption"].str.strip() == REPEATED]
    assert len(repeated) == 10_000
    assert set(repeated["reason"]) <= {reasons.REPEATED_CAPTION, reasons.DUPLICATE}


def test_21_no_word_of_it_reaches_the_vocabulary_or_the_accepted_captions(poisoned):
    words = Vocabulary.read(poisoned.output("adapt_vocabulary").path / "vocabulary.txt").words
    assert not [word for word in words if MARK in word or "example" in word or "alert" in word]
    captions = Snapshot.load(poisoned.output("validate").path).captions["caption"]
    assert not captions.str.contains(MARK).any()
    assert MARK not in json.dumps(poisoned.output("adapt_vocabulary").figures())
    assert MARK not in (poisoned.output("validate").path / "profile.json").read_text()


class Loud(HTMLParser):
    """Collects what a page would run or fetch."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        if any(name.startswith("on") for name in told) or MARK in (told.get("href") or "") + (told.get("src") or ""):
            self.found.append((tag, told))


def test_21_what_is_shown_of_it_is_escaped_and_personal_data_are_not_shown(poisoned):
    docs = poisoned.output("validate").path / "data_docs"
    page = (docs / "index.html").read_text()
    assert "&lt;script&gt;alert(" in page
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert not Loud(page).found
    assert f"{MARK}@example.com" not in "".join(file.read_text() for file in docs.rglob("*.html"))
    assert re.search(r"personal_data</code>.*not shown here", page, re.S)
    assert len(page) < 200_000


def test_21_so_much_of_it_refuses_the_data_unless_told_otherwise(poisoned):
    strict = poisoned.settings.model_copy(update={"validation": ValidationSettings(min_images=5)})
    with pytest.raises(
        DatasetRejected, match=r"caption_quarantine_share is 0\.\d+, needed: at most 5% of the captions"
    ):
        run_stage("validate", TrainingRun(strict, poisoned.home, poisoned.done))


def test_21_a_person_may_accept_a_row_but_only_as_it_is(poisoned, tmp_path):
    rows = quarantine(poisoned)
    link = rows[rows["caption"] == f"buy at https://{MARK}.example now"].iloc[0]
    file = tmp_path / "waivers.jsonl"
    file.write_text(json.dumps(link[["kind", "image", "sha256", "caption", "reason"]].to_dict()) + "\n")
    rules = poisoned.settings.validation.model_copy(update={"waivers": file})
    run = TrainingRun(poisoned.settings.model_copy(update={"validation": rules}), poisoned.home, poisoned.done)
    after = run_stage("validate", run)
    assert after.done["validate"] != poisoned.done["validate"]
    assert after.output("validate").figures()["captions"]["accepted_by_hand"] == 1
    assert link["caption"] in set(after.accepted.captions["caption"])
    assert len(quarantine(after)) == len(rows) - 1
    file.write_text(json.dumps(link[["kind", "image", "sha256", "caption"]].to_dict() | {"reason": "bad_characters"}))
    with pytest.raises(SettingsError, match="waives 'bad_characters'; these may be"):
        run_stage("validate", run)
