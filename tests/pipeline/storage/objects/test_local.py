"""Listing and reading a local folder."""

import os
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.errors import BadInput, ObjectUnavailable, SourceChanged
from pipeline.storage.objects import Exclusions, LocalFolder, open_folder


def put(root, *names, data=b"x"):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def names(folder):
    return [info.name for info in folder.list()]


def test_images_are_listed_with_names_addresses_and_etags(tmp_path):
    put(tmp_path, "a/b.JPG", data=b"12345")
    os.utime(tmp_path / "a/b.JPG", ns=(0, 1_700_000_000_123_456_789))
    (info,) = LocalFolder(tmp_path).list()
    assert info.name == "a/b.JPG"
    assert info.uri == str(tmp_path / "a/b.JPG")
    assert (info.etag, info.size) == ("5-1700000000123456789", 5)
    assert info.modified == datetime.fromtimestamp(1_700_000_000.123456789, UTC)


def test_suffixes_hidden_files_and_links(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    put(root, "a.png", "noext", "note.txt", ".hidden.jpg", ".git/b.jpg", "sub/c.webp", "archive.jpg.part")
    put(outside, "secret.jpg")
    (root / "out.jpg").symlink_to(outside / "secret.jpg")
    (root / "in.jpg").symlink_to(root / "a.png")
    (root / "nowhere.jpg").symlink_to(root / "gone")
    (root / "loop").symlink_to(root)
    os.mkfifo(root / "pipe.jpg")
    folder = LocalFolder(root)
    assert names(folder) == ["a.png", "in.jpg", "noext", "sub/c.webp"]
    assert folder.ignored.count == len(["note.txt", "archive.jpg.part", "out.jpg", "nowhere.jpg", "loop", "pipe.jpg"])
    assert len(names(folder)) == 4
    assert folder.ignored.count == 6
    assert folder.ignored.reasons == {"other_type": 2, "link_elsewhere": 3, "no_plain_file": 1}
    assert folder.ignored.examples["no_plain_file"] == [str(root / "pipe.jpg")]


name = st.text(st.characters(exclude_characters="/\0.", codec="utf-8"), min_size=1, max_size=5)
photographs = st.lists(name, min_size=1, max_size=3).map("/".join).filter(lambda path: not Exclusions().why(path))


@settings(max_examples=25, deadline=None)
@given(st.sets(photographs, max_size=8))
def test_images_are_ordered_by_the_bytes_of_their_paths(tmp_path_factory, paths):
    root = tmp_path_factory.mktemp("order")
    for path in sorted(paths):
        if not any(parent.is_file() for parent in (root / path).parents) and not (root / path).exists():
            put(root, path)
    listed = names(LocalFolder(root))
    assert listed == sorted(listed, key=os.fsencode)
    assert set(listed) == {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def test_a_folder_sorts_among_files_by_its_slash(tmp_path):
    put(tmp_path, "a/z.jpg", "a.jpg", "a0.jpg", "a-b/y.jpg")
    assert names(LocalFolder(tmp_path)) == ["a-b/y.jpg", "a.jpg", "a/z.jpg", "a0.jpg"]


def test_a_name_that_is_no_utf8_is_read_and_has_a_printable_uri(tmp_path):
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jpg"))).write_bytes(b"data")
    folder = LocalFolder(tmp_path)
    (info,) = folder.list()
    assert info.uri == f"{tmp_path}/\\xff.jpg"
    assert folder.read(info) == b"data"


def test_reading_returns_the_listed_state_or_raises_source_changed(tmp_path):
    put(tmp_path, "a.jpg", "b.jpg", "c.jpg", "sub/d.jpg")
    put(tmp_path.parent, "elsewhere.jpg")
    folder = LocalFolder(tmp_path)
    first, second, third, fourth = folder.list()
    assert folder.read(first) == b"x"
    put(tmp_path, "a.jpg", data=b"other")
    (tmp_path / "b.jpg").unlink()
    (tmp_path / "c.jpg").unlink()
    (tmp_path / "c.jpg").symlink_to(tmp_path.parent / "elsewhere.jpg")
    (tmp_path / "sub/d.jpg").unlink()
    (tmp_path / "sub").rmdir()
    for info in (first, second, third, fourth):
        with pytest.raises(SourceChanged, match=r"changed|deleted|leads out"):
            folder.read(info)


def test_a_lost_disk_is_not_a_changed_image(tmp_path):
    root = tmp_path / "mounted"
    put(root, "a.jpg")
    folder = LocalFolder(root)
    (info,) = folder.list()
    root.rename(tmp_path / "unmounted")
    with pytest.raises(ObjectUnavailable, match="still mounted"):
        folder.read(info)
    with pytest.raises(ObjectUnavailable, match="cannot list"):
        names(folder)


@pytest.fixture
def as_nobody():
    """Root may read everything, so let root be somebody else meanwhile."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield
    os.seteuid(user)


def test_permissions(as_nobody):
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        put(root, "a.jpg", "closed/b.jpg")
        (root / "a.jpg").chmod(0)
        (root / "closed").chmod(0)
        folder = LocalFolder(root)
        (info,) = folder.list()
        assert (folder.ignored.reasons, folder.unlisted) == ({"unlisted": 1}, ["closed"])
        with pytest.raises(BadInput) as caught:
            folder.read(info)
        assert caught.value.reason == "forbidden"
        (root / "closed").chmod(0o700)


def test_a_write_does_not_follow_a_link_out(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "root/link").symlink_to(tmp_path / "other")
    (tmp_path / "root/file.txt").symlink_to(tmp_path / "other/file.txt")
    folder = open_folder(str(tmp_path / "root"))
    with pytest.raises(BadInput, match="by a link"):
        folder.create("link/a.txt", b"x")
    assert not folder.create("file.txt", b"x")
    assert folder.create("new/b.txt", b"y")
    assert not list((tmp_path / "other").iterdir())
    assert (tmp_path / "root/new/b.txt").read_bytes() == b"y"
    with pytest.raises(BadInput, match="no file can be called"):
        folder.create("k" * 300, b"")


@pytest.mark.parametrize("seconds", [910692730085, -99_999_999_999])
def test_21_1_a_time_that_python_cannot_hold_costs_nothing(tmp_path, seconds):
    put(tmp_path, "a.jpg", "b.jpg")
    try:
        os.utime(tmp_path / "a.jpg", (seconds, seconds))
    except OverflowError:
        pytest.skip("this system's times are narrower")
    folder = LocalFolder(tmp_path)
    first, second = folder.list()
    held = (tmp_path / "a.jpg").stat().st_mtime == seconds  # ext4 takes the nearest that it can hold
    assert not held or first.modified.year in {9999, 1}
    assert (folder.read(first), folder.read(second)) == (b"x", b"x")


def test_21_2_a_file_that_alone_cannot_be_read_is_its_own_fault_and_the_disk_s_if_none_can(tmp_path, broken_file):
    (tmp_path / "a.jpg").symlink_to(broken_file)
    folder = LocalFolder(tmp_path, bound=False)
    (info,) = folder.list()
    with pytest.raises(ObjectUnavailable, match="cannot read"):
        folder.read(info)
    put(tmp_path, "b.jpg")
    with pytest.raises(BadInput, match="the disk gives other files") as caught:
        folder.read(info)
    assert caught.value.reason == "unavailable"


def test_21_2_a_folder_that_fails_itself_may_come_again(tmp_path):
    root = tmp_path / "in"
    root.mkdir()
    put(root, "a.jpg")
    folder = LocalFolder(root)
    (info,) = folder.list()
    (root / "a.jpg").unlink()
    root.rmdir()
    root.symlink_to(root)  # the system gives up on it
    with pytest.raises(ObjectUnavailable, match="cannot read"):
        folder.read(info)


def test_21_2_a_file_that_was_read_before_and_is_gone_does_not_speak_for_the_disk(tmp_path, broken_file):
    (tmp_path / "a.jpg").symlink_to(broken_file)
    put(tmp_path, "b.jpg", "c.jpg")
    folder = LocalFolder(tmp_path, bound=False)
    bad, gone, _ = folder.list()
    folder.read(gone)
    (tmp_path / "b.jpg").unlink()
    with pytest.raises(BadInput, match="the disk gives other files"):
        folder.read(bad)


def test_21_6_system_folders_own_folders_and_globs_are_left_out(tmp_path):
    put(
        tmp_path,
        "2026/a.jpg",
        "2026/@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg",
        "#recycle/b.jpg",
        "home/store/c.jpg",
        "d_small.jpg",
    )
    folder = LocalFolder(tmp_path, exclusions=Exclusions(["*_small.jpg"], ["home"]))
    assert names(folder) == ["2026/a.jpg"]
    assert folder.ignored.reasons == {"system_folder": 2, "own_folder": 1, "excluded": 1}
    assert list(folder.list("2026/@eaDir")) == []


def test_22_17_a_tree_of_a_thousand_folders_is_listed(tmp_path):
    at = str(tmp_path / "tree")
    for _ in range(1000):  # by hand, as Python's own functions for trees call themselves
        Path(at).mkdir()
        at += "/d"
    Path(f"{at[:-2]}/deep.jpg").write_bytes(b"x")
    folder = LocalFolder(tmp_path)
    (info,) = folder.list()
    assert folder.read(info) == b"x"
    subprocess.run(["rm", "-r", tmp_path / "tree"], check=True)


def test_22_17_a_folder_that_goes_while_it_is_listed_costs_itself_only(tmp_path):
    put(tmp_path, "a/1.jpg", "b/2.jpg", "c/3.jpg")
    folder = LocalFolder(tmp_path)
    listing = folder.list()
    found = [next(listing).name]
    (tmp_path / "b/2.jpg").unlink()
    (tmp_path / "b").rmdir()
    found += [info.name for info in listing]
    assert found == ["a/1.jpg", "c/3.jpg"]
    assert (folder.ignored.reasons, folder.unlisted) == ({"vanished": 1}, [])
