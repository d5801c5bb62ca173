import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from pipeline.core.errors import SettingsError
from pipeline.storage.annotations import (
    CocoCaptions,
    NumberedImage,
    captions_by_file_name,
    coco_captions,
    read_coco_captions,
    read_form,
)
from pipeline.storage.files import write_json


class Numbers(BaseModel):
    numbers: list[int]


def test_written_captions_are_read_as_they_were(tmp_path):
    images = [
        NumberedImage(3, "a.jpg", ["a dog", "a cat"]),
        NumberedImage(8, "b.jpg", []),
        NumberedImage(9, "c.jpg", ["x"]),
    ]
    write_json(tmp_path / "captions.json", coco_captions({"description": "few"}, images, 224, first_id=15))
    read = read_form(tmp_path / "captions.json", CocoCaptions, "COCO captions file", "")
    assert [(image.id, image.file_name) for image in read.images] == [("3", "a.jpg"), ("8", "b.jpg"), ("9", "c.jpg")]
    assert [(each.image_id, each.caption) for each in read.annotations] == [("3", "a dog"), ("3", "a cat"), ("9", "x")]
    ids = [each["id"] for each in json.loads((tmp_path / "captions.json").read_text())["annotations"]]
    assert ids == [15, 16, 17]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_no_encoding_of_unicode_is_a_fault(tmp_path, encoding):
    (tmp_path / "numbers.json").write_text('{"numbers": [1]}', encoding=encoding)
    assert read_form(tmp_path / "numbers.json", Numbers, "list", "").numbers == [1]


@given(st.permutations(["790", 790, " 790 ", 790.0]))
def test_ids_match_as_text(written):
    images, annotations = written[:2], written[2:]
    text = json.dumps(
        {
            "images": [{"id": each, "file_name": "a.jpg"} for each in images],
            "annotations": [{"image_id": each, "caption": "a dog"} for each in annotations],
        }
    )
    parsed = CocoCaptions.model_validate_json(text)
    assert {each.id for each in parsed.images} | {each.image_id for each in parsed.annotations} == {"790"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"numbers": [1, "a"]}', r"is no list of numbers: numbers\[1\]: .*\(1 such faults\); give numbers"),
        ("[", "is no list of numbers: Invalid JSON"),
        (
            '{"numbers": [1]}\n{"numbers": [2]}',
            "at line 2 column 1, after a whole JSON value; JSON lines and joined files",
        ),
        ("{'numbers': [1]}", 'line 1 column 2; it begins with "'),
        (" \n", "is no list of numbers: Invalid JSON: .*; it is empty"),
        ('{"numbers": [1], "numbers": [2]}', "the key 'numbers' stands twice in one object; keep one; give numbers"),
        ('{"numbers": [1], "other": [{"a": 1, "a": NaN}]}', "the key 'a' stands twice"),
    ],
)
def test_a_fault_is_one_line_that_names_its_place(tmp_path, text, message):
    (tmp_path / "numbers.json").write_text(text)
    with pytest.raises(SettingsError, match=message) as caught:
        read_form(tmp_path / "numbers.json", Numbers, "list of numbers", "give numbers")
    assert "\n" not in str(caught.value)


def captions_file(tmp_path, images, annotations):
    """Of ids and file names, and of ids and captions."""
    content = {
        "images": [{"id": each, "file_name": name} for each, name in images],
        "annotations": [{"image_id": each, "caption": text, "score": float("nan")} for each, text in annotations],
    }
    (tmp_path / "c.json").write_text(json.dumps(content))
    return tmp_path / "c.json"


@pytest.mark.parametrize(
    ("listed", "written"),
    [
        ("000000000009", 9),
        (9, "000000000009"),
        ("9.0", 9),
        (9, "9.00"),
        (9, "\uff19"),
        (0, "000"),
        ("\u200b9\ufeff", 9),
    ],
)
def test_ids_match_however_a_number_is_padded(tmp_path, listed, written):
    file = captions_file(tmp_path, [(listed, "a.jpg"), (10, "b.jpg")], [(written, "a dog"), ("10", "a cat")])
    assert captions_by_file_name(file) == {"a.jpg": ["a dog"], "b.jpg": ["a cat"]}


def test_ids_that_only_padding_tells_apart_are_matched_as_they_are(tmp_path, caplog):
    file = captions_file(tmp_path, [("01", "a.jpg"), (1, "b.jpg")], [("01", "a"), (1, "b"), ("001", "?")])
    assert captions_by_file_name(file) == {"a.jpg": ["a"], "b.jpg": ["b"]}
    assert "1 of 3 captions belong to images that the file does not list, first image_id 001" in caplog.text


def test_captions_of_no_listed_image_are_refused_with_ids_of_both(tmp_path):
    file = captions_file(tmp_path, [("img-1", "a.jpg")], [(1, "a dog"), (2, "a cat")])
    with pytest.raises(SettingsError, match=r"2 of 2 captions .* image_id 1, 2; ids of its images are such as img-1"):
        read_coco_captions(file)


@pytest.mark.parametrize("other", [{"caption": None}, {"caption": float("nan")}, {"bbox": [0, 0, 1, 1]}])
def test_annotations_without_a_caption_are_ignored_and_told(tmp_path, caplog, other):
    file = captions_file(tmp_path, [(1, "a.jpg")], [(1, "a dog")])
    content = json.loads(file.read_text())
    file.write_text(json.dumps(content | {"annotations": [*content["annotations"], {"image_id": 1} | other]}))
    assert captions_by_file_name(file) == {"a.jpg": ["a dog"]}
    assert "1 of 2 annotations have no caption, first annotations[1].caption; ignored" in caplog.text
    file.write_text(json.dumps(content | {"annotations": [{"image_id": 1} | other]}))
    with pytest.raises(
        SettingsError, match=r"is no COCO captions file: annotations\[0\].caption: Field required \(1 such"
    ):
        captions_by_file_name(file)


def test_an_id_names_one_image(tmp_path):
    assert captions_by_file_name(captions_file(tmp_path, [(1, "a.jpg"), ("1", "a.jpg")], [(1, "a")])) == {
        "a.jpg": ["a"]
    }
    with pytest.raises(SettingsError, match="1 images repeat the id of another, first 1"):
        captions_by_file_name(captions_file(tmp_path, [(1, "a.jpg"), ("1", "b.jpg")], [(1, "a")]))


def test_a_missing_file_is_a_settings_error(tmp_path):
    with pytest.raises(SettingsError, match=r"cannot read .*none\.json: No such file"):
        read_form(tmp_path / "none.json", Numbers, "list", "")
