"""References, captions and which belong together."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightcap.scoring import match_captions, read_captions, references_of
from pipeline.core.errors import SettingsError
from tests.nightcap.annotated import annotate

NAMES = st.lists(st.sampled_from(["a", "b", "c.jpg", "d.jpg"]), min_size=1, max_size=3).map("/".join)


def test_lines_may_be_blank_and_hold_any_unicode(tmp_path):
    rows = [{"image": "a.jpg", "caption": "one\u2028two\x85three"}, {"image": "b.jpg", "caption": "é"}]
    text = "\ufeff\n" + "\r\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (tmp_path / "given.jsonl").write_text(text, encoding="utf-8", newline="")
    assert read_captions(tmp_path / "given.jsonl", "--captions") == {row["image"]: row["caption"] for row in rows}


@pytest.mark.parametrize(
    ("image", "references", "match"),
    [
        ("a.jpg", ["a.jpg", "b.jpg"], "a.jpg"),
        ("photos/a.jpg", ["a.jpg"], "a.jpg"),
        ("/data/val/a.jpg", ["val/a.jpg", "train/a.jpg"], "val/a.jpg"),
        ("x/val/a.jpg", ["a.jpg", "val/a.jpg"], "val/a.jpg"),  # the longer path
        ("val/a.jpg", ["a.jpg", "x/a.jpg"], "a.jpg"),
        ("a.jpg", ["deep/down/a.jpg"], "deep/down/a.jpg"),  # the only one of that name
        ("other/a.jpg", ["deep/a.jpg"], "deep/a.jpg"),
        ("ba.jpg", ["a.jpg"], None),
        ("a.png", ["a.jpg"], None),
    ],
)
def test_a_caption_finds_its_image(image, references, match):
    found = match_captions({image: "text"}, dict.fromkeys(references))
    assert found == ({match: "text"} if match else {})


def test_two_captions_of_one_image_are_refused():
    with pytest.raises(SettingsError, match=r"two captions match 'a.jpg'.*'y/a.jpg'"):
        match_captions({"x/a.jpg": "one", "y/a.jpg": "two"}, {"a.jpg": []})


@given(st.lists(NAMES, unique=True), st.sampled_from(["", "/photos/", "./", "deep/down/"]))
def test_captions_under_any_folder_find_the_images_they_are_of(names, prefix):
    captions = {prefix + name: name for name in names}
    assert match_captions(captions, dict.fromkeys(names)) == {name: name for name in names}


def test_images_without_a_reference_are_left_out(tmp_path):
    path = annotate(tmp_path / "captions.json", {"a.jpg": ["a boat"], "b.jpg": []})
    assert references_of(path) == {"a.jpg": ["a boat"]}
