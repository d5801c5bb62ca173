"""Which images the arguments mean, in which order, under which names."""

import os

import pytest

from nightcap.images import NamedImages
from pipeline.core.errors import BadInput, SettingsError
from pipeline.imaging.decode import ImageLimits
from tests.canned_bucket import canned_bucket


def put(root, *names):
    for name in names:
        path = root / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def names(*arguments):
    return [image.image for image in NamedImages(arguments)]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_arguments_keep_their_order_and_are_named_as_typed(here):
    put(here, "z.jpg", "a.jpg", "d/b.jpg", "d/a.png")
    assert names("z.jpg", "./d", "a.jpg", "d/", "z.jpg") == [
        "z.jpg",
        "./d/a.png",
        "./d/b.jpg",
        "a.jpg",
        "d/a.png",
        "d/b.jpg",
        "z.jpg",
    ]


def test_a_folder_is_in_the_order_of_its_paths_bytes(here):
    files = [
        "a.jpg",
        "a/b.jpg",
        "a0.jpg",
        "B.jpg",
        "é.jpg",
        "z.jpg",
        "a/b/c.jpg",
        "a-.jpg",
        "\uff41.jpg",
        "\U0001d51e.jpg",
    ]
    put(here, *(f"d/{name}" for name in files))
    assert names("d") == [f"d/{name}" for name in sorted(files, key=str.encode)]


def test_a_folder_counts_what_it_ignores_and_a_file_by_name_never_is(here):
    put(here, "d/a.JPG", "d/notes.txt", "d/sub/films.mp4", "notes.txt")
    (here / "d/none").write_bytes(b"\xff\xd8\xff")
    (here / "d/README").write_bytes(b"# no image")
    images = NamedImages(["d", "notes.txt", "d/notes.txt"])
    assert [image.image for image in images] == ["d/a.JPG", "d/none", "notes.txt", "d/notes.txt"]
    assert images.ignored.reasons == {"other_type": 2, "not_an_image": 1}
    assert len(list(images)) == 4
    assert images.ignored.count == 3


def test_links_of_ones_own_folder_may_lead_anywhere(here):
    put(here, "archive/a.jpg", "elsewhere.jpg")
    (here / "chosen").mkdir()
    (here / "chosen" / "one.jpg").symlink_to("../archive/a.jpg")
    (here / "chosen" / "two.jpg").symlink_to(here / "elsewhere.jpg")
    (here / "chosen" / "gone.jpg").symlink_to("nowhere.jpg")
    images = NamedImages(["chosen"])
    assert [(image.image, image.read(ImageLimits())) for image in images] == [
        ("chosen/one.jpg", b"x"),
        ("chosen/two.jpg", b"x"),
    ]
    assert images.ignored.count == 1


def test_names_that_are_no_utf8_are_escaped_and_still_read(here):
    put(here, b"d/caf\xe9.jpg", b"\xff.png")
    images = list(NamedImages(["d", os.fsdecode(b"\xff.png")]))
    assert [image.image for image in images] == ["d/caf\\xe9.jpg", "\\xff.png"]
    assert [image.read(ImageLimits()) for image in images] == [b"x", b"x"]


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("gone.jpg", "nothing at 'gone.jpg'"),
        ("", "empty"),
        ("s3://bucket/../new", "no address"),
        ("https://example.org/a.jpg", "https: is not supported"),
    ],
)
def test_what_is_no_image_and_no_folder_is_refused_before_anything_is_read(here, argument, words):
    put(here, "a.jpg")
    with pytest.raises(SettingsError, match=words):
        NamedImages(["a.jpg", argument])


def test_no_argument_is_refused():
    with pytest.raises(SettingsError, match="at least one"):
        NamedImages([])


def test_a_file_that_vanishes_is_missing(here):
    put(here, "a.jpg", "d/b.jpg")
    images = list(NamedImages(["a.jpg", "d"]))
    (here / "a.jpg").unlink()
    (here / "d" / "b.jpg").unlink()
    reasons = []
    for image in images:
        with pytest.raises(BadInput) as caught:
            image.read(ImageLimits())
        reasons.append(caught.value.reason)
    assert reasons == ["missing", "source_changed"]


def test_a_file_that_may_not_be_read_is_forbidden(here):
    put(here, "a.jpg")
    (here / "a.jpg").chmod(0)
    [image] = NamedImages(["a.jpg"])
    user = os.geteuid()
    try:
        if user == 0:  # root may read everything
            os.seteuid(65534)
        with pytest.raises(BadInput) as caught:
            image.read(ImageLimits())
    finally:
        os.seteuid(user)
    assert caught.value.reason == "forbidden"


def test_a_file_of_too_many_bytes_is_not_read(here):
    put(here, "a.jpg", "d/b.jpg")
    for image in NamedImages(["a.jpg", "d"]):
        with pytest.raises(BadInput) as caught:
            image.read(ImageLimits(max_bytes=0))
        assert caught.value.reason == "too_large_file"


def test_images_of_a_bucket(monkeypatch):
    with canned_bucket() as bucket:
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)
        bucket.objects = {"in/a.jpg": b"one", "in/b/c.png": b"three", "in/notes.txt": b""}
        images = NamedImages(["s3://bucket/in/"])
        found = {image.image: image.read(ImageLimits()) for image in images}
    assert found == {"s3://bucket/in/a.jpg": b"one", "s3://bucket/in/b/c.png": b"three"}
    assert images.ignored.count == 1
