"""A file is opened beneath its root or not at all."""

import errno
import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from pipeline.core.errors import NightcapError, ObjectUnavailable
from pipeline.storage.objects import LocalFolder
from pipeline.storage.objects.beneath import (
    NoPlainFile,
    OutsideRoot,
    folder_beneath,
    open_beneath,
    open_plain,
    open_size,
    read_past_cache,
)


@pytest.fixture
def root(tmp_path):
    for name in ("root/a/b.jpg", "outside/b.jpg"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path / "root"


def test_links_inside_are_followed_and_others_refused(root):
    (root / "in").symlink_to("a")
    (root / "in.jpg").symlink_to("in/b.jpg")
    (root / "out").symlink_to("../outside")
    (root / "out.jpg").symlink_to("out/b.jpg")
    (root / "loop").symlink_to("loop")
    for name in ("a/b.jpg", "in/b.jpg", "in.jpg", "a/../a/b.jpg", "./a//b.jpg"):
        with open_beneath(root, name) as file:
            assert file.read() == b"root/a/b.jpg"
            assert open_size(file) == 12
    for name in ("out/b.jpg", "out.jpg", "../outside/b.jpg", "../root-2/b.jpg"):
        with pytest.raises(OutsideRoot), open_beneath(root, name):
            pass
    for name in ("gone.jpg", "a/b.jpg/c", "loop"):
        with pytest.raises(OSError), open_beneath(root, name):
            pass


def test_only_plain_files_are_opened_and_a_pipe_is_not_waited_for(root):
    os.mkfifo(root / "pipe.jpg")
    for name in ("pipe.jpg", "a", "."):
        with pytest.raises(NoPlainFile), open_beneath(root, name):
            pass
        with pytest.raises(NoPlainFile), open_plain(root / name):
            pass


def test_20_6_no_byte_from_outside_while_a_folder_is_swapped_for_a_link(root):
    (root.parent / "link").symlink_to("outside")
    os.utime(root / "a/b.jpg", ns=(0, 0))
    os.utime(root.parent / "outside/b.jpg", ns=(0, 0))
    (root.parent / "outside/b.jpg").write_bytes(b"SECRET/a/b.j")  # as long, so only the path tells them apart
    os.utime(root.parent / "outside/b.jpg", ns=(0, 0))
    folder, stop = LocalFolder(root), threading.Event()
    (info,) = folder.list()

    def swap():
        while not stop.is_set():
            (root / "a").rename(root.parent / "aside")
            (root.parent / "link").rename(root / "a")
            (root / "a").rename(root.parent / "link")
            (root.parent / "aside").rename(root / "a")

    thread = threading.Thread(target=swap)
    thread.start()
    seen = set()
    for _ in range(4000):
        try:
            seen.add(folder.read(info))
        except NightcapError:
            seen.add(None)
    stop.set()
    thread.join()
    assert seen <= {b"root/a/b.jpg", None}
    assert len(seen) == 2, "the folder was never caught as a link; or never as a folder"


@pytest.mark.parametrize("above", [False, True])
def test_20_6_a_root_that_becomes_a_link_gives_nothing(root, above):
    folder = LocalFolder(root)
    (info,) = folder.list()
    swapped = root.parent if above else root
    aside = swapped.rename(swapped.with_name(f"{swapped.name}-aside"))
    swapped.symlink_to(aside)  # to the very same folder: only the way to it tells
    with pytest.raises(OutsideRoot), open_beneath(root, "a/b.jpg"):
        pass
    with pytest.raises(ObjectUnavailable, match="has become a link"):
        folder.read(info)
    with pytest.raises(ObjectUnavailable, match="has become a link"):
        folder.head(info)
    with pytest.raises(ObjectUnavailable, match="has become a link"):
        folder.get("a/b.jpg")
    swapped.unlink()
    aside.rename(swapped)
    assert folder.read(info) == b"root/a/b.jpg"


def test_a_folder_that_is_held_stays_itself(root):
    with folder_beneath(root, "a/new/deep", is_made=True) as held:
        (root / "a/new").rename(root / "a/aside")
        (root / "a/new").symlink_to(root.parent / "outside")
        (held / "x").write_bytes(b"inside")
        assert [path.name for path in held.glob("*")] == ["x"]
    assert (root / "a/aside/deep/x").read_bytes() == b"inside"
    assert not (root.parent / "outside/deep").exists()
    with pytest.raises(OutsideRoot), folder_beneath(root, "a/new/deep", is_made=True):
        pass
    with pytest.raises(FileNotFoundError), folder_beneath(root, "a/gone"):
        pass


def test_a_folder_that_is_there_is_not_made(root, monkeypatch):
    """Some network file systems answer EROFS or EACCES before they look."""

    def mkdir(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "mkdir", mkdir)
    with folder_beneath(root, "a", is_made=True) as held:
        assert (held / "b.jpg").read_bytes() == b"root/a/b.jpg"


def test_a_root_that_lies_below_a_folder_that_may_be_entered_only_is_read(root):
    root.parent.chmod(0o311)
    try:
        with open_beneath(root, "a/b.jpg") as file:
            assert file.read() == b"root/a/b.jpg"
    finally:
        root.parent.chmod(0o755)


def test_a_root_that_is_a_file_or_gone_is_not_outside(root):
    for gone, error in ((root / "a/b.jpg", NotADirectoryError), (root / "gone", FileNotFoundError)):
        with pytest.raises(error), open_beneath(gone, "x"):
            pass


def test_no_descriptor_is_left_open(root):
    before = len(list(Path("/proc/self/fd").iterdir()))
    (root / "out").symlink_to("../outside")
    for name in ("a/b.jpg", "out/b.jpg", "gone/b.jpg", "a/gone"):
        with suppress(OSError), open_beneath(root, name):
            pass
    with suppress(OSError), open_beneath(root / "out", "b.jpg"):
        pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def read_from_disks():
    """Bytes that this process has had read from disks so far."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("read_bytes:")).split()[1])


def test_21_2_past_the_cache_the_disk_itself_is_asked(tmp_path):
    file = tmp_path / "a.jpg"
    with file.open("wb") as writing:
        writing.write(b"x" * 10_000)
        os.fsync(writing.fileno())
    assert len(file.read_bytes()) == 10_000
    before = read_from_disks()
    with open_plain(file) as opened:
        assert read_past_cache(opened) == b"x" * 4096
    if read_from_disks() == before:
        pytest.skip("this file system has no disk")
    assert read_from_disks() - before >= 4096


def test_past_the_cache_a_short_file_ends(tmp_path, broken_file):
    (tmp_path / "a").write_bytes(b"few")
    with open_plain(tmp_path / "a") as file:
        assert read_past_cache(file) == b"few"
    with open_plain(broken_file) as file, pytest.raises(OSError, match="Input/output error"):
        read_past_cache(file)
