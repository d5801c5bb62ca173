"""Results go to standard output, or to a file that appears atomically."""

import os
import stat
import threading

import pytest

from nightcap.output import destination
from pipeline.core.errors import SettingsError


def test_standard_output_gets_every_line_at_once(capsys):
    with destination(None) as write:
        write("one\n")
        assert capsys.readouterr().out == "one\n"


def test_a_file_appears_when_all_is_written_and_anybody_may_read_it(tmp_path):
    target = tmp_path / "lines.jsonl"
    target.write_text("before")
    with destination(target) as write:
        write("é\n")
        assert target.read_text() == "before"
    assert target.read_bytes() == "é\n".encode()
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    assert [path.name for path in tmp_path.iterdir()] == ["lines.jsonl"]


def test_after_a_failure_nothing_is_left(tmp_path):
    def fail():
        with destination(tmp_path / "lines.jsonl") as write:
            write("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not list(tmp_path.iterdir())


def test_a_link_stays_one(tmp_path):
    (tmp_path / "link").symlink_to("real")
    with destination(tmp_path / "link") as write:
        write("x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "x"


def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    with destination(pipe) as write:
        write("x\x9b")  # it may be a terminal
    reader.join(5)
    assert read == ["x\\u009b"]
    assert pipe.is_fifo()


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with (
        pytest.raises(SettingsError, match=r"none/lines.jsonl cannot be written \(No such file"),
        destination(tmp_path / "none" / "lines.jsonl"),
    ):
        pass
