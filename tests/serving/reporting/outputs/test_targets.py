"""Names under an output."""

import fcntl
import os
from pathlib import Path

import pytest

from pipeline.core.errors import ObjectUnavailable, SettingsError
from serving.reporting.outputs.targets import LocalTarget, S3Target, target_of


def test_names_that_differ_are_files_that_differ(tmp_path):
    place = LocalTarget(tmp_path)
    names = ["a/../b", "a/b", "é" * 300, "é" * 299, "a\0b", "a_b", "x\nb", "../b", "a/\\b"]
    for name in names:
        with place.write(name) as file:
            file.write(name.encode())
    assert [place.read(name) for name in names] == [name.encode() for name in names]


def test_22_17_a_pipe_that_has_a_name_is_somebody_s_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.jpg.txt")
    assert LocalTarget(tmp_path).read("x.jpg.txt") == b"\0"


def test_a_link_out_of_the_prefix_is_not_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "prefix").mkdir()
    (tmp_path / "prefix" / "link").symlink_to(outside)
    with (
        pytest.raises(ObjectUnavailable, match="through a link"),
        LocalTarget(tmp_path / "prefix").write("link/deep/x"),
    ):
        pass
    assert not list(outside.iterdir())


def test_20_6_what_a_link_leads_to_is_neither_read_nor_removed(tmp_path, caplog):
    """A folder of the output, or a file in it, that somebody swapped for a link to another's."""
    target, outside = LocalTarget(tmp_path / "prefix"), tmp_path / "outside"
    outside.mkdir()
    for name in ("a/x", "a/y", "b"):
        with target.write(name) as file:
            file.write(b"ours")
    (tmp_path / "prefix/a").rename(tmp_path / "prefix/aside")
    (tmp_path / "prefix/a").symlink_to(outside)
    (tmp_path / "prefix/b").unlink()
    (tmp_path / "prefix/b").symlink_to(outside / "x")
    (tmp_path / "prefix/in").symlink_to("aside")  # leads inside
    with target.write("aside/x") as half:
        half.write(b"ours")
        planted = Path(half.name).name  # as a writer that died would have left it
        (outside / planted).write_bytes(b"another's")
    (outside / "x").write_bytes(b"another's")
    assert (target.read("a/x"), target.read("b"), target.read("in/x")) == (b"\0", b"\0", b"ours")
    for name in ("a/x", "b"):
        target.tidy(name)
        target.remove(name)
    assert sorted(path.name for path in outside.iterdir()) == sorted(["x", planted])
    assert (
        caplog.messages
        == [f"{target.root}/a/x leads out of {target.root} through a link: nothing is removed there"] * 2
    )
    target.remove("in/x")
    assert target.read("aside/x") is None


def test_a_failed_write_leaves_the_old_file(tmp_path):
    place = LocalTarget(tmp_path)
    with place.write("x") as file:
        file.write(b"old")
    with pytest.raises(RuntimeError), place.write("x") as file:
        file.write(b"half")
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert place.read("x") == b"old"


def test_a_failed_write_leaves_the_old_object(s3, in_s3, monkeypatch):
    place = S3Target(in_s3, 10)
    with place.write("x") as file:
        file.write(b"old")
    with pytest.raises(RuntimeError), place.write("x") as file:
        file.write(b"half")
        raise RuntimeError
    assert place.read("x") == b"old"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    with pytest.raises(SettingsError, match="check the AWS credentials"), S3Target(in_s3, 10).write("x") as file:
        file.write(b"lost")


def test_keys_too_long_for_a_bucket_are_keys_that_differ(s3, in_s3):
    place = S3Target(in_s3, 10)
    names = ["/".join(["long" * 40] * 8 + [end]) for end in ("a.txt", "b.txt")]
    for name in names:
        with place.write(name) as file:
            file.write(name.encode())
    assert [place.read(name) for name in names] == [name.encode() for name in names]


def test_tidying_removes_only_half_written_files_of_the_name(tmp_path):
    target = LocalTarget(tmp_path)
    dead, other = target.write("x"), target.write("y")
    half = dead.__enter__()
    half.write(b"half")
    other.__enter__().write(b"half")
    target.tidy("x")
    assert len(list(tmp_path.iterdir())) == 2, "its writer is at work"
    fcntl.flock(half, fcntl.LOCK_UN)  # as its death does
    target.tidy("x")
    left = [path.name for path in tmp_path.iterdir()]
    assert len(left) == 1
    other.__exit__(None, None, None)
    assert target.read("y") == b"half"


@pytest.mark.parametrize(("uri", "kind"), [("s3://bucket/x", S3Target), ("/tmp/x", LocalTarget)])
def test_an_output_names_a_folder_or_a_prefix(uri, kind):
    assert isinstance(target_of(uri, 10), kind)


def test_an_output_elsewhere_is_refused():
    with pytest.raises(SettingsError, match="is no local path"):
        target_of("https://host/x", 10)


@pytest.mark.parametrize("other", ["a//b.jpg.txt", "/a/b.jpg.txt", "a/./b.jpg.txt", "./a/b.jpg.txt"])
def test_two_keys_never_share_a_file(tmp_path, other):
    target = LocalTarget(tmp_path)
    for name in ("c/a/b.jpg.txt", f"c/{other}"):
        with target.write(name) as file:
            file.write(name.encode())
    assert [target.read(name) for name in ("c/a/b.jpg.txt", f"c/{other}")] == [b"c/a/b.jpg.txt", f"c/{other}".encode()]


def test_tidying_while_a_finished_file_gets_its_name(tmp_path, monkeypatch):
    target, replace = LocalTarget(tmp_path), os.replace

    def meanwhile(*arguments, **options):
        target.tidy("x")
        return replace(*arguments, **options)

    monkeypatch.setattr(os, "replace", meanwhile)
    with target.write("x") as file:
        file.write(b"whole")
    assert target.read("x") == b"whole"
