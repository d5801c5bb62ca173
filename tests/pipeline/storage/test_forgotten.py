"""The list of forgotten images keeps no name."""

import unicodedata
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.core.errors import Permanent
from pipeline.storage.forgotten import Forgotten, Intent, begun_of, heeding_forgotten, intents_of, remember_to_forget


def test_a_store_without_a_list_has_forgotten_nothing(tmp_path):
    forgotten = Forgotten.of(tmp_path)
    assert not forgotten
    assert "a.jpg" not in forgotten


def test_forgotten_images_are_recognised_and_their_names_are_nowhere(tmp_path):
    remember_to_forget(tmp_path, ["/inbox/ermintrude.jpg", "s3://bucket/b\udcff.jpg"])
    remember_to_forget(tmp_path, ["/inbox/ermintrude.jpg"])
    forgotten = Forgotten.of(tmp_path)
    assert forgotten
    assert "/inbox/ermintrude.jpg" in forgotten and "s3://bucket/b\udcff.jpg" in forgotten
    assert "/inbox/other.jpg" not in forgotten
    files = list((tmp_path / "forgotten").iterdir())
    assert len(files) == 3
    assert not [file for file in files if "ermintrude" in file.name or b"ermintrude" in file.read_bytes()]


def test_two_stores_name_the_same_image_differently(tmp_path):
    for name in ("one", "other"):
        remember_to_forget(tmp_path / name, ["a.jpg"])
    assert not Forgotten.of(tmp_path / "one").digests & Forgotten.of(tmp_path / "other").digests


def test_of_many_at_once_all_use_one_key(tmp_path):
    names = [f"{number}.jpg" for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: remember_to_forget(tmp_path, [name]), names))
    forgotten = Forgotten.of(tmp_path)
    assert all(name in forgotten for name in names)
    assert len(forgotten.digests) == 16


def test_a_name_is_forgotten_in_both_forms_of_unicode(tmp_path):
    for form, other in (("NFC", "NFD"), ("NFD", "NFC")):
        remember_to_forget(tmp_path / form, [unicodedata.normalize(form, "/in/café.jpg")])
        assert unicodedata.normalize(other, "/in/café.jpg") in Forgotten.of(tmp_path / form)
    assert "\ud800" not in Forgotten.of(tmp_path / "NFC")


@pytest.mark.parametrize("left", [b"", b"short"])
def test_a_key_that_a_power_cut_left_is_made_anew_or_told(tmp_path, left):
    remember_to_forget(tmp_path, [])
    key = tmp_path / "forgotten" / "salt"
    key.write_bytes(left)
    assert "a" in remember_to_forget(tmp_path, ["a"])
    key.write_bytes(left)
    with pytest.raises(Permanent, match=r"salt is damaged.*backup"):
        Forgotten.of(tmp_path)
    with pytest.raises(Permanent, match="salt is damaged"):
        remember_to_forget(tmp_path, ["b"])


def test_an_intent_outlives_its_process_and_goes_when_all_is_done(tmp_path):
    forgotten = remember_to_forget(tmp_path, ["a", "b"])
    few, many = (Intent(forgotten.hashes(names), contents=forgotten.hashes(names)) for names in ("a", "ab"))
    few.write(tmp_path)
    many = many.recalls(intents_of(tmp_path))
    many.write(tmp_path)
    assert {each.state for each in intents_of(tmp_path)} == {"begun"}
    many.end(tmp_path)
    (done,) = intents_of(tmp_path)
    assert (done.state, done.images) == ("done", many.images)


@pytest.mark.parametrize("left", ["", "{", "[]", '{"images": 1}'])
def test_an_intent_that_a_power_cut_left_is_none(tmp_path, left):
    (tmp_path / "forgotten" / "intents").mkdir(parents=True)
    (tmp_path / "forgotten" / "intents" / "x.json").write_text(left)
    assert intents_of(tmp_path) == []


def test_a_name_that_nothing_knew_is_not_one_that_was_begun(tmp_path):
    forgotten = remember_to_forget(tmp_path, ["a", "b"])
    Intent(forgotten.hashes("ab"), unknown=forgotten.hashes("a")).write(tmp_path)
    assert begun_of(tmp_path) == forgotten.hashes("b")
    Intent(forgotten.hashes("a")).write(tmp_path)
    assert begun_of(tmp_path) == forgotten.hashes("ab")


def test_a_writer_asks_for_the_list_as_it_is(tmp_path):
    remember_to_forget(tmp_path, ["a"])
    with heeding_forgotten(tmp_path) as forgotten:
        assert "a" in forgotten
