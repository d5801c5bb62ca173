"""Records in files of lines."""

import csv
import io
import json

import pytest

from serving.reporting.outputs.lines import HEADS, RECORD_COLUMNS, line_of, with_record

NAMES = [
    "/in/a.jpg",
    "/in/a",
    "=in",
    'q"uote',
    "line\nbreak",
    "é/\U0001f600.jpg",
    '/in/b.jpg",\r\n"/in/a.jpg',
    "\\",
    ",",
]


def record(image, caption="a dog"):
    return dict.fromkeys(RECORD_COLUMNS) | {"image": image, "caption": caption, "alternatives": ["x", "y"]}


def read(content, ending):
    if ending == "jsonl":
        return [(each["image"], each["caption"]) for each in map(json.loads, content.splitlines())]
    text = io.StringIO(content.decode("utf-8-sig"), newline="")
    return [(each["image"], each["caption"]) for each in csv.DictReader(text)]


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
@pytest.mark.parametrize("image", NAMES)
def test_only_the_line_of_the_image_changes(image, ending):
    """Captions look like lines of images: in CSV a quoted line break ends no record."""
    deceits = ['"\r\n"/in/a.jpg",', '\n{"image": "/in/a.jpg", ', '\r\n"=in","', "x\n"]
    old = [record(name, f"{number} {deceits[number % 4]}") for number, name in enumerate(NAMES)]
    content = HEADS[ending] + b"".join(line_of(each, ending) for each in old)
    new = [record(image, 'by "hand"\n,') if each["image"] == image else each for each in old]
    assert with_record(content, record(image, 'by "hand"\n,'), ending) == HEADS[ending] + b"".join(
        line_of(each, ending) for each in new
    )
    assert dict(read(content, ending))[image if ending == "jsonl" or image != "=in" else "'=in"]


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_a_file_without_the_image_or_of_other_columns_is_not_changed(ending):
    line = line_of(record("/in/a.jpg"), ending)
    assert with_record(HEADS[ending] + line, record("/in/b.jpg"), ending) is None
    assert with_record(b"\xef\xbb\xbfimage,caption\r\n", record("/in/a.jpg"), ending) is None
    assert with_record(HEADS[ending] + line.rstrip(), record("/in/a.jpg"), ending) is None  # cut
