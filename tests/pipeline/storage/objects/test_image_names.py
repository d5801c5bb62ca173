"""Which files are images: by name, else by first bytes."""

import io

import pytest
from PIL import Image

from pipeline.storage.objects import ImageCheck, LocalFolder, images_of, kind_of
from pipeline.storage.objects.image_names import begins_like_an_image

UNCLEAR = [
    "photo.jpg?width=640&v=2",
    "IMG_2023.08.15",
    "photo.jpg_large",
    "scan.jpg.1",
    "noext",
    "a.jpeg ",
    "photo.bin",
]


@pytest.mark.parametrize("name", ["a.jpg", "UPPER.JPEG", "x/saved.jfif", "old.jpe", "stereo.mpo", "b.HIF", "c.dib"])
def test_names_of_images(name):
    assert kind_of(name) == "image"


@pytest.mark.parametrize(
    "name",
    ["a.txt", "a.jpg.txt", "b.XML", "c.mov", "d.json", "a.cr2", "a.dng", "a.jpg.part", "a.thm", "a.svg", "_.parquet"],
)
def test_names_of_other_types(name):
    assert kind_of(name) == "other"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF"])
def test_first_bytes_of_images(kind):
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, kind)
    assert begins_like_an_image(buffer.getvalue()[:64])


@pytest.mark.parametrize("head", [b"\0\0\0\x1cftypheic", b"\0\0\0\x18ftypXXXX\0\0\0\0mif1heic", b"II+\0", b"MM\0*"])
def test_first_bytes_of_images_that_are_not_written_here(head):
    assert begins_like_an_image(head)


@pytest.mark.parametrize("head", [b"", b"BM is a text", b"# text", b"RIFF\0\0\0\0WAVE", b"\0\0\0\x14ftypqt  ", b"%PDF"])
def test_first_bytes_of_others(head):
    assert not begins_like_an_image(head)


def test_what_a_name_does_not_tell_the_first_bytes_do(tmp_path):
    for name in UNCLEAR:
        (tmp_path / name).write_bytes(b"\xff\xd8\xff\xe0")
        (tmp_path / f"{name}-text").write_bytes(b"text")
    folder = LocalFolder(tmp_path)
    assert sorted(info.name for info in images_of(folder)) == sorted(UNCLEAR)
    assert folder.ignored.reasons == {"not_an_image": len(UNCLEAR)}


def test_21_7_however_many_names_say_nothing_first_bytes_tell(tmp_path):
    (tmp_path / "text").write_bytes(b"text")
    folder = LocalFolder(tmp_path)
    assert not any(ImageCheck(folder).are_images([*folder.list()] * 20_001))


def test_what_cannot_be_read_may_be_an_image(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"text")
    folder = LocalFolder(tmp_path)
    infos = list(folder.list())
    (tmp_path / "a").unlink()
    assert ImageCheck(folder).are_images(infos) == [True, False]
