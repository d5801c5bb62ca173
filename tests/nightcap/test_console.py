"""What a terminal sees, and what else does not."""

import os
import pty
import subprocess
import sys

RESULTS = """
import logging, time
from nightcap.console import working
with working("work [/x]") as show:
    show("step [/y]")
    logging.getLogger("serving.caption_shard").info("[/z]")
    logging.getLogger("pipeline.imaging.decode").warning("careful [/w]")
    print("result", flush=True)
    time.sleep(0.3)
"""
LOADING = """
import os, sys
from nightcap.console import load_tensorflow
sys.meta_path.insert(0, sys.modules["__main__"])
def find_spec(name, path=None, target=None):
    if name == "tensorflow":
        os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\\n")
        os.write(2, b"I0000 00:00:1.2 3 port.cc:153] oneDNN custom operations are on.\\n")
        os.write(2, b"F0000 00:00:1.2 3 cpu.cc:1] this processor lacks AVX\\n")
        print("from Python", file=sys.stderr)
        os.abort() if sys.argv[1:] else sys.exit("stopped")
load_tensorflow()
"""


def python(code, *arguments, **streams):
    return subprocess.run([sys.executable, "-c", code, *arguments], text=True, check=False, timeout=60, **streams)


def on_a_terminal(code, **streams):
    """Run code with standard error on a terminal; also returns what was shown there."""
    ours, theirs = pty.openpty()
    try:
        done = python(code, stderr=theirs, **streams)
        os.set_blocking(ours, False)
        return done, os.read(ours, 100_000).decode()
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_spinner_takes_no_results_from_a_pipe():
    done, shown = on_a_terminal(RESULTS, stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (0, "result\n")
    assert "result" not in shown
    assert "careful [/w]" in shown
    assert "[/z]" in shown


def test_elsewhere_there_are_only_warnings():
    done = python(RESULTS, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "result\n", "careful [/w]\n")


def test_tensorflow_loads_without_chatter_but_with_its_errors():
    done = python(LOADING, capture_output=True)
    assert done.stderr.splitlines() == [
        "from Python",
        "F0000 00:00:1.2 3 cpu.cc:1] this processor lacks AVX",
        "stopped",
    ]


def test_the_last_words_of_a_crash_arrive():
    done = python(LOADING, "abort", capture_output=True)
    assert done.returncode == -6
    assert "this processor lacks AVX" in done.stderr
    assert "oneDNN" not in done.stderr


def test_the_filter_of_lines_learns_no_secret(tmp_path, monkeypatch):
    grep = tmp_path / "grep"
    grep.write_text(f'#!/bin/sh\nenv > "{tmp_path}/seen"\ncat\n')
    grep.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-3f9a")
    assert python(LOADING, capture_output=True).returncode == 1
    assert "PATH=" in (seen := (tmp_path / "seen").read_text())
    assert "canary-3f9a" not in seen
