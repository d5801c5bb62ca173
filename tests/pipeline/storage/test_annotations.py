import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from pipeline.core.errors import SettingsError
from pipeline.storage.annotations import CocoCaptions, NumberedImage, coco_captions, read_form
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
    ],
)
def test_a_fault_is_one_line_that_names_its_place(tmp_path, text, message):
    (tmp_path / "numbers.json").write_text(text)
    with pytest.raises(SettingsError, match=message) as caught:
        read_form(tmp_path / "numbers.json", Numbers, "list of numbers", "give numbers")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_a_settings_error(tmp_path):
    with pytest.raises(SettingsError, match=r"cannot read .*none\.json: No such file"):
        read_form(tmp_path / "none.json", Numbers, "list", "")
