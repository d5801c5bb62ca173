"""The journal decides, the alias follows."""

import logging
import shutil
from dataclasses import replace

import pytest

from pipeline.core.errors import (
    BundleRejected,
    ModelNotFound,
    NothingPromoted,
    PromotionConflict,
    PromotionRefused,
    SettingsError,
)
from pipeline.model.bundle import DECODER
from pipeline.registry.loading import pin
from pipeline.registry.promotions import (
    ENTRY_TAG,
    GATE_TAG,
    JUDGED_AGAINST_TAG,
    PASSED,
    REFUSED,
    VERDICT_TAG,
    Promotions,
)
from pipeline.registry.versions import CHAMPION, DIGEST_TAG
from tests.pipeline.registry.light_registry import NAME, add_versions, bundle_of, captioning, home_in

URI = f"models:/{NAME}@{CHAMPION}"


@pytest.fixture
def home(tmp_path):
    home = home_in(tmp_path)
    add_versions(home, "one", "two", "three")
    return home


@pytest.fixture
def promotions(home):
    return Promotions(home)


def promote(promotions, version, **told):
    return promotions.promote(NAME, version, promotions.journal.last(), "me", **told)


def alias(promotions):
    return promotions.registry.aliased(NAME, CHAMPION)


def test_a_promotion_is_an_entry_and_the_alias_its_copy(home, promotions):
    assert promotions.champion(NAME) is None
    entry = promote(promotions, "1", verdict="v", why="better")
    assert (entry.number, entry.origin, entry.target, entry.who, entry.verdict, entry.why) == (
        1,
        None,
        "1",
        "me",
        "v",
        "better",
    )
    assert entry.digest == promotions.registry.resolve(f"models:/{NAME}/1").digest
    assert promote(promotions, "2").origin == "1"
    assert alias(promotions) == captioning(home) == "2"
    assert promote(promotions, "2") is None
    assert promotions.journal.last() == 2


def test_an_alias_that_was_moved_by_hand_is_repaired_with_a_warning(home, promotions, caplog):
    promote(promotions, "1")
    promotions.registry.set_alias(NAME, CHAMPION, "3")
    with caplog.at_level(logging.WARNING):
        assert pin(home, URI).version == "1"
    assert "alias champion of captioner names version 3, entry 1 of the journal 1; it is repaired" in caplog.text
    assert alias(promotions) == "1"
    caplog.clear()
    assert pin(home, URI).version == "1"
    assert caplog.text == ""


def test_before_the_first_entry_nothing_captions_and_the_alias_counts_for_nothing(home, promotions):
    """Nor in a registry from before there was a journal: a person says once that the version is theirs."""
    with pytest.raises(NothingPromoted, match="no version of captioner has ever been promoted"):
        pin(home, URI)
    promotions.registry.set_alias(NAME, CHAMPION, "2")
    assert captioning(home) is None
    with pytest.raises(SettingsError, match="nightcap models promote 2 --anyway") as told:
        pin(home, URI)
    assert not isinstance(told.value, NothingPromoted)
    entry = promotions.promote_by_hand(NAME, "2", "me", "from before", anyway=True)
    assert (entry.number, entry.origin, entry.target, entry.engine) == (1, None, "2", "tensorflow-float32")
    assert pin(home, URI).version == "2"


def test_a_journal_that_is_not_where_it_was_is_told_and_the_alias_does_not_count(home, promotions):
    promote(promotions, "1")
    promotions.registry.set_alias(NAME, CHAMPION, "3")
    lost = replace(home, journal=str(home.root / "elsewhere"))
    asked = [
        lambda: pin(lost, URI),
        lambda: Promotions(lost).champion(NAME),
        lambda: promote(Promotions(lost), "2"),
        lambda: Promotions(lost).rollback(NAME, "1", "me"),
    ]
    for ask in asked:
        with pytest.raises(
            SettingsError, match=r"elsewhere has no entry .* entry 1 was written: let NIGHTCAP_PROMOTIONS"
        ):
            ask()
    assert pin(home, URI).version == "1"


@pytest.mark.parametrize("shortened", [False, True])
def test_an_older_journal_makes_no_earlier_version_the_champion(home, promotions, tmp_path, shortened):
    """A copy from before the last promotion, or one with a file too few in its midst; the alias stays, too."""
    for version in ("1", "2", "3"):
        promote(promotions, version)
    older = replace(home, journal=str(shutil.copytree(home.promotions, tmp_path / "older")))
    (tmp_path / "older" / f"0000000{2 if shortened else 3}.json").unlink()
    last = 1 if shortened else 2
    for ask in (lambda: pin(older, URI), lambda: promote(Promotions(older), "2")):
        with pytest.raises(
            SettingsError, match=rf"no entry after {last} about captioner, but entry 3 was .*{last} captions"
        ):
            ask()
    assert (alias(promotions), captioning(home)) == ("3", "3")
    with promotions.registry.answering():
        from mlflow import MlflowClient

        MlflowClient(home.tracking_uri).delete_registered_model_tag(NAME, ENTRY_TAG)
    assert pin(older, URI).version == str(last)  # as a person decided


def test_the_newest_entry_is_noted_even_where_the_alias_said_so_already(home, promotions):
    promote(promotions, "1")
    promotions.registry.set_alias(NAME, CHAMPION, "2")
    promote(promotions, "2")
    assert promotions.registry.model_tags(NAME)[ENTRY_TAG] == "2"
    promotions.registry.tag_model(NAME, {ENTRY_TAG: "1"})  # by who was slower
    assert captioning(home) == "2"
    assert promotions.registry.model_tags(NAME)[ENTRY_TAG] == "2"


def test_a_rollback_is_one_more_entry(home, promotions):
    for version in ("1", "2", "3"):
        promote(promotions, version)
    back = promotions.rollback(NAME, None, "somebody", "wrong colours")
    assert (back.action, back.origin, back.target, back.who, back.why) == (
        "rollback",
        "3",
        "2",
        "somebody",
        "wrong colours",
    )
    assert alias(promotions) == captioning(home) == "2"
    assert promotions.rollback(NAME, None, "somebody").target == "1"
    with pytest.raises(SettingsError, match="knows no version of captioner before"):
        promotions.rollback(NAME, None, "somebody")
    assert promotions.rollback(NAME, "1", "somebody") is None
    assert promotions.journal.last() == 5


def test_a_rollback_that_is_tried_again_goes_back_no_further(home, promotions):
    for version in ("1", "2", "3"):
        promote(promotions, version)
    back = promotions.rollback(NAME, None, "a run", once=True)
    promotions.registry.set_alias(NAME, CHAMPION, "3")  # stopped before it was moved
    assert promotions.rollback(NAME, None, "a run", once=True) == back
    assert (promotions.journal.last(), alias(promotions)) == (4, "2")
    promote(promotions, "3")  # before it is tried once more
    assert promotions.rollback(NAME, None, "a run", once=True) == back
    assert (promotions.journal.last(), alias(promotions)) == (5, "3")
    assert promotions.rollback(NAME, None, "another run", once=True).target == "2"


def test_one_goes_back_only_to_what_has_captioned(promotions):
    promote(promotions, "2")
    promote(promotions, "3")
    with pytest.raises(PromotionRefused, match="version 1 has never captioned"):
        promotions.rollback(NAME, "1", "somebody")
    assert promotions.rollback(NAME, "2", "somebody").target == "2"


@pytest.mark.parametrize("aliased", [None, "2"])
def test_without_an_entry_there_is_nothing_to_go_back_to(home, promotions, aliased):
    """Else a version that the gate refused would caption, and count as promoted ever after."""
    promotions.registry.tag(NAME, "1", {GATE_TAG: REFUSED})
    if aliased:
        promotions.registry.set_alias(NAME, CHAMPION, aliased)
    with pytest.raises(PromotionRefused, match=r"the journal has no entry, .* `nightcap models promote 1` tries it"):
        promotions.rollback(NAME, "1", "somebody")
    assert (promotions.journal.last(), captioning(home)) == (0, None)


def test_what_was_rolled_back_from_is_known_until_a_person_promotes_it(promotions):
    promote(promotions, "1")
    promote(promotions, "2")
    assert promotions.given_up(NAME, "2") is None
    entry = promotions.rollback(NAME, None, "somebody")
    assert promotions.given_up(NAME, "2") == entry
    assert promotions.given_up(NAME, "1") is None
    promote(promotions, "2")
    assert promotions.given_up(NAME, "2") is None


@pytest.mark.parametrize(
    ("history", "given_up"),
    [
        ("12 back", ["2"]),
        ("123 back", ["3"]),
        ("123 back back", ["2", "3"]),
        ("123 1", ["3", "2"]),
        ("132 back", ["2"]),
        ("123 2 back", ["2", "3"]),
        ("123 2 P3", []),
        ("12", []),
    ],
)
def test_a_rollback_gives_up_what_captioned_since_its_target_did(promotions, history, given_up):
    first, *steps = history.split()
    for version in first:
        promote(promotions, version)
    for step in steps:
        if step[0] == "P":
            promote(promotions, step[1])
        else:
            promotions.rollback(NAME, None if step == "back" else step, "somebody")
    last = promotions.journal.last()
    assert promotions.given_up_by(NAME) == promotions.given_up_by(NAME, last) == given_up
    promote(promotions, next(each for each in "123" if each != alias(promotions)))
    assert promotions.given_up_by(NAME, last) == given_up


def test_a_verdict_about_an_earlier_champion_promotes_nothing(promotions):
    since = promotions.journal.last()
    promote(promotions, "2")
    with pytest.raises(PromotionConflict, match="made version 2 it meanwhile"):
        promotions.promote(NAME, "3", since, "me")
    assert alias(promotions) == "2"


def test_a_digest_that_was_changed_after_the_promotion_is_refused(home, promotions):
    """Weights and list both altered, and the tag made to fit: the journal still knows."""
    promote(promotions, "1")
    promotions.registry.tag(NAME, "1", {DIGEST_TAG: "0" * 64})
    with pytest.raises(
        BundleRejected, match=r"models:/captioner/1 in MLflow has other bytes .*entry 1\): digest 0{12}"
    ):
        pin(home, URI)


def test_a_champion_that_was_deleted_is_told_with_a_way_out(home, promotions):
    promote(promotions, "1")
    promote(promotions, "2")
    with promotions.registry.answering():
        from mlflow import MlflowClient

        MlflowClient(home.tracking_uri).delete_model_version(NAME, "2")
    with pytest.raises(
        ModelNotFound, match=r"the champion is models:/captioner/2 .*nightcap models rollback VERSION"
    ) as told:
        pin(home, URI)
    assert not isinstance(told.value, NothingPromoted)  # which nights are skipped for
    assert captioning(home) == "2"
    promotions.rollback(NAME, "1", "me")
    assert pin(home, URI).version == "1"


def test_a_damaged_version_is_not_promoted(home, promotions):
    promote(promotions, "1")
    (bundle_of(home, 2) / DECODER).write_bytes(b"other weights")
    with pytest.raises(BundleRejected, match=f"{DECODER} was altered"):
        promote(promotions, "2")
    assert (promotions.journal.last(), alias(promotions)) == (1, "1")


def test_attempts_on_a_champion_are_the_other_versions_last_compared_with_it(promotions):
    champion = promotions.registry.resolve(f"models:/{NAME}/1")
    for version in ("2", "3"):
        promotions.record_verdict(promotions.registry.resolve(f"models:/{NAME}/{version}"), False, "no", "d", champion)
    assert promotions.attempts(champion, but="4") == 2
    assert promotions.attempts(champion, but="3") == 1  # judged again, it is no other attempt
    assert promotions.attempts(promotions.registry.resolve(f"models:/{NAME}/2"), but="3") == 0


def test_by_hand_only_what_passed_against_the_present_champion(promotions):
    promote(promotions, "1")
    with pytest.raises(PromotionRefused, match=r"it was never judged; .*--anyway"):
        promotions.promote_by_hand(NAME, "2", "me", "")
    promotions.registry.tag(NAME, "2", {GATE_TAG: REFUSED, VERDICT_TAG: "not better", JUDGED_AGAINST_TAG: "1"})
    with pytest.raises(PromotionRefused, match="not better"):
        promotions.promote_by_hand(NAME, "2", "me", "")
    promotions.registry.tag(NAME, "2", {GATE_TAG: PASSED})
    assert promotions.promote_by_hand(NAME, "2", "me", "").origin == "1"
    promotions.registry.tag(NAME, "3", {GATE_TAG: PASSED, JUDGED_AGAINST_TAG: "1"})
    with pytest.raises(PromotionRefused, match=r"present champion \(version 2\)"):
        promotions.promote_by_hand(NAME, "3", "me", "")
    assert promotions.promote_by_hand(NAME, "3", "me", "I looked", anyway=True).why == "I looked"
    assert promotions.promote_by_hand(NAME, "3", "me", "") is None
