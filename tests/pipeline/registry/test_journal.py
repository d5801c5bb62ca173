import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.core.environment import Home
from pipeline.core.errors import ObjectUnavailable, Permanent, PromotionConflict, SettingsError
from pipeline.model.interface import EXTERNAL, PinnedModel
from pipeline.registry.journal import Change, Journal
from pipeline.storage.objects import LocalFolder, open_folder


def change(target, origin=None, **values):
    said = {"model": "captioner", "action": "promote", "origin": origin, "target": target, "digest": "d", "who": "me"}
    return Change.model_validate(said | values)


@pytest.fixture
def journal(tmp_path):
    return Journal(LocalFolder(tmp_path))


def files(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def test_an_empty_journal(journal):
    assert journal.last() == 0
    assert journal.current("captioner") is None
    assert list(journal.entries("captioner")) == []


def test_an_entry_is_one_flat_file(journal, tmp_path):
    journal.append(change("1", verdict="v", why="the first"), 0)
    journal.append(change("2", "1"), 1)
    assert files(tmp_path) == ["00000001.json", "00000002.json"]
    told = json.loads((tmp_path / "00000001.json").read_text())
    assert told.pop("when").endswith("Z")
    assert len(told.pop("id")) == 32
    assert told == {
        "format": 1,
        "number": 1,
        "model": "captioner",
        "action": "promote",
        "from": None,
        "to": "1",
        "digest": "d",
        "verdict": "v",
        "who": "me",
        "why": "the first",
    }
    assert [entry.target for entry in journal.entries("captioner")] == ["2", "1"]


def named(version, digest="d", engine=EXTERNAL):
    return PinnedModel("captioner", version, digest, engine, f"models:/captioner/{version}")


def test_an_entry_authorises_one_version_with_its_digest_and_engine(journal):
    journal.append(change("1"), 0)  # from before engines were noted, so of our own
    journal.append(change("2", engine="tensorflow-float32"), 1)
    allowed = journal.append(change("3", action="allow", engine=EXTERNAL), 2)
    assert journal.authorising(named("3")) == journal.about("captioner", "3") == allowed
    assert journal.authorising(named("1", engine="tensorflow-float32")).number == 1
    for other in (
        named("1"),
        named("2"),
        named("3", "e"),
        named("3", engine="tensorflow-float32"),
        named("4"),
        replace(named("3"), name="other"),
    ):
        assert journal.authorising(other) is None, other


def test_what_is_revoked_is_authorised_by_no_earlier_entry(journal):
    journal.append(change("3", action="allow", engine=EXTERNAL, digest="e"), 0)
    journal.append(change("3", action="allow", engine=EXTERNAL), 1)
    journal.append(change("3", engine=EXTERNAL), 2)  # the champion
    journal.append(change("3", action="revoke", engine=EXTERNAL), 3)
    assert journal.authorising(named("3")) is journal.authorising(named("3", "e")) is None
    assert journal.current("captioner").number == 3
    again = journal.append(change("3", action="allow", engine=EXTERNAL), 4)
    assert journal.authorising(named("3")) == again
    assert journal.authorising(named("3", "e")) is None


def test_a_permission_makes_no_champion_and_stands_in_nobodys_way(journal):
    journal.append(change("1"), 0)
    journal.append(change("3", action="allow", engine=EXTERNAL), 1)
    assert journal.current("captioner").target == "1"
    assert journal.append(change("2", "1"), 1).number == 3  # judged before the permission
    again = journal.append(change("4", action="allow", engine=EXTERNAL), 1)
    assert (again.number, journal.current("captioner").target) == (4, "2")


@pytest.mark.parametrize("count", [*range(1, 10), 33])
def test_the_newest_is_found_by_halving(journal, count):
    for number in range(count):
        journal.append(change(str(number)), number)
    assert journal.last() == count
    assert journal.current("captioner").target == str(count - 1)


def test_who_comes_second_hears_who_was_first(journal):
    journal.append(change("2", who="somebody"), 0)
    with pytest.raises(PromotionConflict) as caught:
        journal.append(change("3"), 0)
    assert "somebody made version 2 it meanwhile (promotion journal, entry 1); judge it again" in str(caught.value)
    assert journal.last() == 1


def test_nothing_is_written_behind_a_gap(journal, tmp_path):
    journal.append(change("1"), 0)
    with pytest.raises(SettingsError, match="ends with entry 1, but the decision rests on entry 3; let NIGHTCAP_PROMO"):
        journal.append(change("2", "1"), 3)
    assert files(tmp_path) == ["00000001.json"]


def test_models_do_not_get_in_each_other_s_way(journal):
    journal.append(change("1", model="painter"), 0)
    journal.append(change("2", model="painter"), 1)
    assert journal.append(change("7"), 0).number == 3
    assert journal.current("painter").number == 2
    assert journal.current("captioner").number == 3
    with pytest.raises(PromotionConflict):
        journal.append(change("8"), 1)


def test_the_same_change_again_is_the_entry_there_is(journal):
    """Its writer was stopped before it heard that the entry is written."""
    first = journal.append(change("2", "1", verdict="v"), 0)
    assert journal.append(change("2", "1", verdict="v", who="a retry"), 0) == first
    with pytest.raises(PromotionConflict):
        journal.append(change("2", "1", verdict="another"), 0)


def test_the_same_change_again_is_not_what_counts_once_another_followed(journal):
    journal.append(change("2", "1", verdict="v"), 0)
    journal.append(change("1", "2", action="rollback", who="somebody"), 1)
    with pytest.raises(PromotionConflict, match=r"somebody made version 1 it meanwhile .* entry 2"):
        journal.append(change("2", "1", verdict="v"), 0)


def test_an_entry_that_was_written_over_is_named(journal, tmp_path):
    journal.append(change("1"), 0)
    (tmp_path / "00000001.json").write_text('{"number": 1}')
    with pytest.raises(Permanent, match=r"00000001\.json is not understood .* restore the file"):
        journal.current("captioner")


def test_nothing_else_is_left_in_the_folder(journal, tmp_path):
    journal.append(change("1"), 0)
    with pytest.raises(PromotionConflict):
        journal.append(change("2"), 0)
    assert files(tmp_path) == ["00000001.json"]


def test_it_lies_in_the_store_or_where_the_environment_says(tmp_path):
    environ = {"NIGHTCAP_HOME": str(tmp_path)}
    assert Home.from_environment(environ).promotions == str(tmp_path / "store" / "promotions")
    environ["NIGHTCAP_PROMOTIONS"] = "s3://models/promotions"
    assert Home.from_environment(environ).promotions == "s3://models/promotions"
    with pytest.raises(SettingsError, match="NIGHTCAP_PROMOTIONS is 'promotions'"):
        Home.from_environment(environ | {"NIGHTCAP_PROMOTIONS": "promotions"})


@pytest.fixture(params=["local", "s3"])
def folder(request, tmp_path):
    """A folder where one object is made at most once, of either kind."""
    return LocalFolder(tmp_path) if request.param == "local" else open_folder(request.getfixturevalue("s3")[1], 60)


def test_an_object_is_made_once_and_whole(folder):
    assert folder.get("a/1.json") is None
    assert folder.create("a/1.json", b"first") is True
    assert folder.create("a/1.json", b"second") is False
    assert folder.get("a/1.json") == b"first"


def test_a_journal_on_either_kind(folder):
    journal = Journal(folder)
    journal.append(change("1"), 0)
    journal.append(change("2", "1"), 1)
    with pytest.raises(PromotionConflict):
        journal.append(change("3", "1"), 1)
    assert [entry.target for entry in journal.entries("captioner")] == ["2", "1"]


def test_behind_a_number_that_cannot_be_read_nothing_is_written(journal, tmp_path):
    (tmp_path / "00000001.json").symlink_to(tmp_path / "gone.json")
    with pytest.raises(ObjectUnavailable, match=r"00000001\.json is there, but cannot be read"):
        journal.append(change("1"), 0)
    assert files(tmp_path) == ["00000001.json"]
