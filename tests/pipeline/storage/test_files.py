import hashlib
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.errors import FileDamaged, ObjectUnavailable
from pipeline.storage import files
from pipeline.storage.files import (
    create_bytes,
    create_json,
    creating_folder,
    digest_of,
    explain_full_disk,
    read_json,
    read_json_if_whole,
    replacing,
    sha256,
    sha256_file,
    sync_file_system,
    write_bytes,
    write_json,
    write_text,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_replaces_the_old_one_and_others_may_read_it(tmp_path):
    path = tmp_path / "new" / "file"
    write_bytes(path, b"old" * 1000)
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert names_in(path.parent) == ["file"]


@pytest.fixture(params=[0o077, 0o022, 0o002])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_who_may_read_is_the_umasks_choice_from_the_first_moment(tmp_path, umask):
    with replacing(tmp_path / "file") as file:
        assert mode(Path(file.name)) == 0o666 & ~umask
    write_bytes(tmp_path / "new" / "file", b"")
    create_bytes(tmp_path / "created", b"")
    with creating_folder(tmp_path / "folder") as scratch:
        assert mode(scratch) == 0o777 & ~umask
        write_json(scratch / "file", {})
    made = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in made if mode(path) != 0o666 & ~umask] == []
    assert {mode(tmp_path / "folder"), mode(tmp_path / "new")} == {0o777 & ~umask}


@pytest.mark.usefixtures("umask")
def test_a_secret_is_its_owners_alone_from_the_first_moment(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode)))
    write_text(tmp_path / "secret", "s", is_secret=True)
    assert (seen[0], mode(tmp_path / "secret")) == (0o600, 0o600)


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path):
    path = tmp_path / "file"
    write_bytes(path, b"old")
    with pytest.raises(TypeError):
        write_bytes(path, "no bytes")
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["file"]


def test_a_file_is_replaced_when_the_block_ends_without_an_error(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert (path.read_bytes(), names_in(tmp_path)) == (b"old", ["file"])
    with replacing(path, prefix=".unfinished-", is_synced=False) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
        assert [name for name in names_in(tmp_path) if name.startswith(".unfinished-")]
    assert (path.read_bytes(), names_in(tmp_path)) == (b"new", ["file"])


def test_a_link_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    write_bytes(tmp_path / "link", b"new")
    assert not (tmp_path / "link").is_symlink()
    assert ((tmp_path / "link").read_bytes(), (tmp_path / "target").read_bytes()) == (b"new", b"old")


def test_of_many_creators_one_succeeds(tmp_path):
    path, barrier = tmp_path / "new" / "file.json", Barrier(8)

    def create(number):
        barrier.wait()
        return create_json(path, {"by": number})

    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(create, range(8)))
    assert created.count(True) == 1
    assert read_json(path) == {"by": created.index(True)}
    assert not create_bytes(path, b"another")
    assert names_in(path.parent) == ["file.json"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")  # noqa: PTH110
def test_an_error_of_a_full_disk_names_the_path(tmp_path):
    with (
        pytest.raises(ObjectUnavailable, match=r"cannot write .*/file: No space left on device; make room there"),
        explain_full_disk(tmp_path / "file"),
        open("/dev/full", "wb", buffering=0) as file,  # noqa: PTH123
    ):
        file.write(b"x")


def test_a_long_name_still_has_room_for_a_scratch_name(tmp_path):
    write_bytes(tmp_path / ("n" * 250), b"x")
    assert names_in(tmp_path) == ["n" * 250]


def test_readers_never_see_half_a_file(tmp_path):
    path, contents = tmp_path / "file", [bytes([letter]) * 200_000 for letter in b"ab"]
    write_bytes(path, contents[0])
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(lambda: [write_bytes(path, contents[turn % 2]) for turn in range(30)])
        seen = set()
        while not writing.done():
            seen.add(path.read_bytes())
    assert seen
    assert seen <= set(contents)


@given(value=JSON)
def test_json_comes_back_as_it_was(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "value.json"
    write_json(path, value)
    assert read_json(path) == value


def test_json_is_the_same_bytes_whatever_the_order_of_keys(tmp_path):
    write_json(tmp_path / "a", {"b": 1, "a": "é"})
    write_json(tmp_path / "b", {"a": "é", "b": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert "é" in (tmp_path / "a").read_text(encoding="utf-8")


def test_text_keeps_its_line_ends(tmp_path):
    write_text(tmp_path / "t", "a\r\nb\n")
    assert (tmp_path / "t").read_bytes() == b"a\r\nb\n"


def test_a_folder_appears_when_it_is_complete(tmp_path):
    target = tmp_path / "deep" / "folder"
    with creating_folder(target) as scratch:
        write_text(scratch / "a", "1")
        assert not target.exists()
        assert scratch.parent == target.parent
    assert (target / "a").read_text() == "1"
    assert names_in(target.parent) == ["folder"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o755


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_folder_whose_making_failed_leaves_nothing(tmp_path, error):
    with pytest.raises(error), creating_folder(tmp_path / "folder") as scratch:
        write_text(scratch / "a", "1")
        raise error
    assert names_in(tmp_path) == []


def test_the_first_of_two_that_make_the_same_folder_stays(tmp_path):
    target = tmp_path / "folder"
    with creating_folder(target) as scratch:
        write_text(scratch / "a", "second")
        with creating_folder(target) as other:
            write_text(other / "a", "first")
    assert (target / "a").read_text() == "first"
    assert names_in(tmp_path) == ["folder"]


def test_many_that_create_the_same_folder_at_once_leave_one_complete_one(tmp_path):
    target, together = tmp_path / "folder", Barrier(8)

    def make(number):
        with creating_folder(target) as scratch:
            for name in ("a", "b"):
                write_text(scratch / name, str(number))
            together.wait(30)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(8)))
    assert (target / "a").read_text() == (target / "b").read_text()
    assert names_in(tmp_path) == ["folder"]


def test_a_folder_that_cannot_be_put_in_place_is_an_error(tmp_path):
    target = tmp_path / "taken"
    target.write_text("a file is here")
    with pytest.raises(OSError, match="Not a directory"), creating_folder(target):
        pass
    assert names_in(tmp_path) == ["taken"]
    assert target.read_text() == "a file is here"


def test_digests_are_sha256_of_the_bytes(tmp_path):
    data = os.urandom(3_000_000)
    (tmp_path / "file").write_bytes(data)
    assert sha256(data) == sha256_file(tmp_path / "file") == hashlib.sha256(data).hexdigest()


@given(st.dictionaries(st.text(), st.integers(), min_size=2), st.randoms())
def test_a_value_s_digest_does_not_depend_on_its_order(value, random):
    shuffled = list(value.items())
    random.shuffle(shuffled)
    assert digest_of(value) == digest_of(dict(shuffled))


@given(JSON, JSON)
def test_different_values_have_different_digests(one, other):
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (digest_of(one) == digest_of(other)) == same


@pytest.mark.parametrize("has_syncfs", [True, False])
def test_a_file_system_is_synced_where_it_can_be(tmp_path, monkeypatch, has_syncfs):
    calls = []
    monkeypatch.setattr("os.sync", lambda: calls.append("sync"))
    if not has_syncfs:
        monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: None)
    sync_file_system(tmp_path)
    assert calls == ([] if has_syncfs else ["sync"])


def test_22_13_a_folder_is_safe_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    synced, folder_synced = [], []
    target = tmp_path / "made" / "output"
    monkeypatch.setattr(files, "sync_file_system", lambda folder: synced.append((names_in(folder), target.exists())))
    monkeypatch.setattr(files, "sync_folder", lambda folder: folder_synced.append((folder, target.exists())))
    with creating_folder(target) as folder:
        (folder / "a.txt").write_text("a")
    assert synced == [(["a.txt"], False)]
    assert folder_synced == [(target.parent, True)]


@pytest.mark.parametrize("text", ["", '{"a": ', "\0\0\0"])
def test_22_13_json_that_was_cut_is_named_or_taken_for_none(tmp_path, text, caplog):
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(FileDamaged, match=r"plan.json is empty, cut or no JSON"):
        read_json(tmp_path / "plan.json")
    with pytest.raises(FileDamaged, match=r"; plan it anew$"):
        read_json(tmp_path / "plan.json", "plan it anew")
    assert read_json_if_whole(tmp_path / "plan.json") is None
    assert "plan.json" in caplog.text
    assert "restore" not in caplog.text  # who reads it so makes it anew
    assert read_json_if_whole(tmp_path / "none.json") is None
