"""Names and times of objects."""

from datetime import UTC, datetime

import pytest

from pipeline.core.errors import BadInput
from pipeline.storage.objects import S3Folder, is_hidden, open_folder, printable, safe_name
from pipeline.storage.objects.base import EARLIEST, LATEST_TIME, moment_of, moment_told, shown


@pytest.mark.parametrize("name", ["../a", "/a", "a//b", "a/./b", "a/..", "", "a\0", "a\nb", "k" * 1025, "\udcff", "a/"])
def test_names_that_may_not_be_written(bucket, tmp_path, name):
    for folder in (S3Folder("s3://bucket/prefix"), open_folder(str(tmp_path))):
        for change in (lambda folder=folder: folder.create(name, b""), lambda folder=folder: folder.delete(name)):
            with pytest.raises(BadInput, match="cannot name an object"):
                change()
    assert not bucket.asked
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "hidden"),
    [("a/b.JPG", False), (".a.jpg", True), ("a/.b/c.jpg", True), ("._IMG_1.jpg", True), ("../a.jpg", False)],
)
def test_hidden_files_by_name(name, hidden):
    assert is_hidden(name) == hidden


def test_a_time_that_python_cannot_hold_is_the_nearest_that_it_can():
    assert moment_of(910692730085) == moment_of(1e300) == moment_of(float("inf")) == LATEST_TIME
    assert moment_of(-99e9) == moment_of(-1e300) == EARLIEST
    assert moment_of(1.5) == datetime(1970, 1, 1, 0, 0, 1, 500_000, UTC)


@pytest.mark.parametrize("told", [None, "", "0000-00-00T00:00:00Z", "30828-09-14T02:48:05Z", "yesterday"])
def test_a_time_that_a_store_cannot_tell_is_the_earliest(told):
    assert moment_told(told) == EARLIEST


def test_a_time_that_a_store_tells():
    assert (
        moment_told("2026-11-23T02:00:00.000Z")
        == moment_told("2026-11-23T02:00:00")
        == datetime(2026, 11, 23, 2, tzinfo=UTC)
    )
    assert moment_told("9999-12-31T23:59:59Z") == LATEST_TIME


def test_paths_and_addresses_for_people():
    assert printable("/a/\udcff.jpg") == "/a/\\xff.jpg"
    assert printable("/a/\u00e9") == "/a/\u00e9"
    assert shown("s3://user:secret@host/x") == "s3://host/x"
    assert safe_name("a/b c.json") == "a/b c.json"
