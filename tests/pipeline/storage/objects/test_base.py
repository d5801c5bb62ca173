"""Names of objects."""

import pytest

from pipeline.core.errors import BadInput
from pipeline.storage.objects import S3Folder, is_hidden, is_image, open_folder, printable, safe_name
from pipeline.storage.objects.base import shown


@pytest.mark.parametrize("name", ["../a", "/a", "a//b", "a/./b", "a/..", "", "a\0", "a\nb", "k" * 1025, "\udcff", "a/"])
def test_names_that_may_not_be_written(bucket, tmp_path, name):
    for folder in (S3Folder("s3://bucket/prefix"), open_folder(str(tmp_path))):
        for change in (lambda folder=folder: folder.create(name, b""), lambda folder=folder: folder.delete(name)):
            with pytest.raises(BadInput, match="cannot name an object"):
                change()
    assert not bucket.asked
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "image", "hidden"),
    [
        ("a/b.JPG", True, False),
        ("scan", True, False),
        ("a.txt", False, False),
        (".a.jpg", True, True),
        ("a/.b/c.jpg", True, True),
        ("../a.jpg", True, False),
    ],
)
def test_images_and_hidden_files_by_name(name, image, hidden):
    assert (is_image(name), is_hidden(name)) == (image, hidden)


def test_paths_and_addresses_for_people():
    assert printable("/a/\udcff.jpg") == "/a/\\xff.jpg"
    assert printable("/a/\u00e9") == "/a/\u00e9"
    assert shown("s3://user:secret@host/x") == "s3://host/x"
    assert safe_name("a/b c.json") == "a/b c.json"
