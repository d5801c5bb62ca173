"""Names are found however they are written, and an unknown one gets a likely one."""

import unicodedata

import pytest

from pipeline.storage.name_matching import match_names, same_to_the_eye

KNOWN = ["/in/2026/café.jpg", "/in/2026/b.jpg", "/in/2026/B.PNG", "s3://bucket/in/a.jpg"]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("/in/2026/b.jpg", "/in/2026/b.jpg"),
        (unicodedata.normalize("NFD", "/in/2026/café.jpg"), "/in/2026/café.jpg"),
        ("\\in\\2026\\b.jpg", "/in/2026/b.jpg"),
        ("2026\\b.jpg", "/in/2026/b.jpg"),
        ("/in//2026/./b.jpg", "/in/2026/b.jpg"),
        ("/in/2025/../2026/b.jpg", "/in/2026/b.jpg"),
        ("./2026/b.jpg", "/in/2026/b.jpg"),
        ("s3://bucket/in//a.jpg", "s3://bucket/in/a.jpg"),
    ],
)
def test_a_name_that_only_looks_different_is_found(given, found):
    matched = match_names([given], KNOWN, ["/in/"])
    assert (dict(matched.found), dict(matched.unknown)) == ({given: found}, {})
    assert matched.unknown_named() == ""


@pytest.mark.parametrize(
    ("given", "likely"),
    [
        ("/in/b.JPG", "/in/2026/b.jpg"),
        ("/out/2026/b.jpeg", "/in/2026/b.jpg"),
        ("cafe.jpg", "/in/2026/café.jpg"),
        ("nothing-like-it.tif", None),
        ("", None),
        ("a\0b", None),
        ("\ud800-nothing.jpg", None),
    ],
)
def test_an_unknown_name_gets_a_likely_one(given, likely):
    assert match_names([given], KNOWN).unknown == {given: likely}


def test_links_and_relative_names_lead_to_the_known_file(tmp_path, monkeypatch):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    known = [f"{tmp_path}/real/a.jpg"]
    for name in ("link/a.jpg", f"{tmp_path}/link/a.jpg", "real/a.jpg"):
        assert match_names([name], known).found == {name: known[0]}


def test_an_absolute_name_is_found_among_relative_ones():
    assert match_names(["/images/sub/a.jpg"], ["sub/a.jpg"], ["/images"]).found == {"/images/sub/a.jpg": "sub/a.jpg"}


def test_of_two_that_look_the_same_only_the_exact_one_is_found():
    composed, split = (unicodedata.normalize(form, "/in/é.jpg") for form in ("NFC", "NFD"))
    both = match_names([composed, split, "/in//é.jpg"], [composed, split])
    assert both.found == {composed: composed, split: split}
    assert list(both.unknown) == ["/in//é.jpg"]


def test_backslashes_and_bytes_that_are_no_utf8_may_belong_to_a_name():
    assert match_names(["/in/a\\b.jpg"], ["/in/a\\b.jpg", "/in/a/b.jpg"]).found == {"/in/a\\b.jpg": "/in/a\\b.jpg"}
    assert match_names(["/in/\udcff.jpg"], ["/in/\\xff.jpg"]).found == {"/in/\udcff.jpg": "/in/\\xff.jpg"}


def test_the_message_names_a_few_and_counts_the_rest():
    named = match_names([f"/in/{number}.tif" for number in range(7)], ["/in/0.jpg"]).unknown_named()
    assert named.startswith("'/in/0.tif' (perhaps '/in/0.jpg'), '/in/1.tif'")
    assert named.endswith(" and 2 more")


def test_what_looks_the_same_is_equal():
    assert same_to_the_eye("./a//b/./c\\d.jpg") == "a/b/c/d.jpg"
    assert same_to_the_eye("s3://b//a/.x/y") == "s3://b/a/.x/y"
