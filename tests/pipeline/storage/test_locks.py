"""Locks on files in use end with their process."""

import errno
import os
import platform
import subprocess
import sys

import pytest

from pipeline.core.errors import ObjectUnavailable
from pipeline.storage.locks import OutputLocks, exclusive_lock, exclusive_lock_in_time, shared_lock

HOLDING = """
import sys
from pathlib import Path
from pipeline.storage.locks import OutputLocks
held = OutputLocks()
print(held.hold(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


def is_free(path):
    with exclusive_lock(path) as free:
        return free


def test_a_file_is_free_when_all_locks_are_released(tmp_path):
    path = tmp_path / "file"
    path.touch()
    one, other = OutputLocks(), OutputLocks()
    assert one.hold(path) and one.hold(path) and other.hold(path)
    assert not is_free(path)
    del one
    assert not is_free(path)
    del other
    assert is_free(path)


def test_a_missing_file_cannot_be_locked_and_is_free(tmp_path):
    assert not OutputLocks().hold(tmp_path / "none")
    assert not OutputLocks().hold(tmp_path / "none" / "below")
    assert is_free(tmp_path / "none")


def test_another_file_of_the_same_name_has_to_be_taken_anew(tmp_path):
    path, held = tmp_path / "file", OutputLocks()
    path.touch()
    assert held.hold(path)
    path.unlink()
    assert not held.hold(path)
    path.touch()
    assert is_free(path)
    assert held.hold(path)
    assert not is_free(path)


def test_a_lock_ends_with_a_process_that_is_killed(tmp_path):
    path = tmp_path / "file"
    path.touch()
    command = [sys.executable, "-c", HOLDING, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "True\n"
        assert not is_free(path)
        process.kill()
        process.wait()
    assert is_free(path)


SHARING = """
import sys
from pathlib import Path
from pipeline.storage.locks import shared_lock
with shared_lock(Path(sys.argv[1])):
    print(flush=True)
    sys.stdin.read()
"""


def test_who_may_only_read_a_store_shares_its_lock(tmp_path, monkeypatch):
    path = tmp_path / "lock"
    path.touch()
    opened = os.open

    def read_only(name, flags, *mode):
        if flags & os.O_RDWR:
            raise OSError(errno.EROFS, "read-only")
        return opened(name, flags, *mode)

    monkeypatch.setattr(os, "open", read_only)
    with shared_lock(path):
        monkeypatch.undo()
        with exclusive_lock_in_time(path, 0.1) as is_free:
            assert not is_free
    with exclusive_lock_in_time(path, 0.1) as is_free:
        assert is_free


def test_20_7_another_user_s_file_is_locked_too(tmp_path, monkeypatch):
    """One that this process may not write, as umask 022 makes it; root may, so its opening is refused here."""
    path = tmp_path / "lock"
    path.touch()
    opened = os.open

    def unwritable(name, flags, *mode):
        if flags & os.O_RDWR:
            raise PermissionError(errno.EACCES, "no")
        return opened(name, flags, *mode)

    monkeypatch.setattr(os, "open", unwritable)
    with exclusive_lock_in_time(path, 0) as is_free:
        assert is_free
        with exclusive_lock_in_time(path, 0.05) as is_free_too:
            assert not is_free_too
    with shared_lock(path), exclusive_lock_in_time(path, 0.05) as is_free:
        assert not is_free


def test_who_wants_to_be_alone_waits_for_others_to_leave(tmp_path):
    path = tmp_path / "store" / "lock"
    other = subprocess.Popen([sys.executable, "-c", SHARING, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    other.stdout.readline()
    with exclusive_lock_in_time(path, 0.1) as is_free:
        assert not is_free
    other.kill()
    other.communicate()
    with exclusive_lock_in_time(path, 60) as is_free:
        assert is_free


def test_nobody_waits_for_oneself(tmp_path):
    path = tmp_path / "lock"
    with shared_lock(path), exclusive_lock_in_time(path, 3600) as is_free:
        assert not is_free
    with exclusive_lock_in_time(path, 3600) as is_free:
        assert is_free


ALONE = """
import sys
from pathlib import Path
from pipeline.storage.locks import exclusive_lock_in_time
with exclusive_lock_in_time(Path(sys.argv[1]), 60):
    print(flush=True)
    sys.stdin.read()
"""


def test_a_lock_that_somebody_keeps_alone_is_not_waited_for_for_ever(tmp_path):
    path = tmp_path / "lock"
    other = subprocess.Popen([sys.executable, "-c", ALONE, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    other.stdout.readline()
    with pytest.raises(
        ObjectUnavailable, match=rf"{path} was locked for 0.1 s by process {other.pid} on {platform.node()};"
    ):
        shared_lock(path, 0.1).__enter__()
    other.kill()
    other.communicate()
    with shared_lock(path, 0.1), exclusive_lock_in_time(path, 0) as is_free:
        assert not is_free  # this process itself has it
    with exclusive_lock_in_time(path, 0) as is_free:
        assert is_free


def test_no_lock_where_there_can_be_none(tmp_path):
    (tmp_path / "file").touch()
    with shared_lock(tmp_path / "file" / "lock"), exclusive_lock_in_time(tmp_path / "file" / "lock", 0) as is_free:
        assert is_free
