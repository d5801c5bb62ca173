"""Files that a person or a table names."""

import os

import pytest

from pipeline.core.errors import BadImage
from pipeline.imaging.decode import ImageLimits
from pipeline.model.image_file import read_image_file

LIMITS = ImageLimits(max_bytes=1000)


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root" / "sub").mkdir(parents=True)
    (tmp_path / "root" / "sub" / "a.jpg").write_bytes(b"inside")
    (tmp_path / "secret").write_bytes(b"outside")
    return tmp_path / "root"


def reason(path, *roots):
    with pytest.raises(BadImage) as caught:
        read_image_file(path, LIMITS, map(str, roots))
    return caught.value.reason


def test_a_file_is_read_beneath_any_of_the_roots_by_its_real_place(root, tmp_path):
    (tmp_path / "link").symlink_to(root)
    for path in (root / "sub/a.jpg", tmp_path / "link/sub/a.jpg", root / "sub/../sub/a.jpg"):
        assert read_image_file(path, LIMITS, ["s3://bucket/prefix", "/nowhere", str(tmp_path / "link")]) == b"inside"
    assert read_image_file(tmp_path / "secret", LIMITS) == b"outside"


def test_nothing_outside_the_roots_is_read_or_told_apart(root, tmp_path):
    (root / "out.jpg").symlink_to(tmp_path / "secret")
    (root / "up").symlink_to(tmp_path)
    (tmp_path / "root-too").write_bytes(b"outside")
    for path in ("out.jpg", "up/secret", "up/absent", "../secret", "../absent", "../root-too"):
        assert reason(root / path, root) == "unsafe_name", path


def test_what_is_no_plain_file_is_missing_and_not_waited_for(root):
    os.mkfifo(root / "pipe")
    for path in (root / "pipe", root / "sub", root / "absent", root / "nul\0"):
        assert (reason(path), reason(path, root)) == ("missing", "missing"), path


def test_a_size_is_judged_before_a_byte_is_read(root):
    with (root / "huge.jpg").open("wb") as file:
        file.truncate(2**40)  # more than any memory
    (root / "empty.jpg").touch()
    for roots in ((), (root,)):
        assert reason(root / "huge.jpg", *roots) == "too_large_file"
        assert reason(root / "empty.jpg", *roots) == "empty"
