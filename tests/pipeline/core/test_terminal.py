"""Names and captions of others on a terminal and in a log."""

import json
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.errors import BadImage, SettingsError
from pipeline.core.terminal import escaped, escaped_json

ODD = [
    ("\x1b[2J", r"\x1b[2J"),  # clears the screen
    ("\x1b]52;c;aGk=\x07", r"\x1b]52;c;aGk=\x07"),  # writes the clipboard
    ("a\nnightcap: all is well", r"a\nnightcap: all is well"),
    ("a\r\u2028\u2029\x85b", r"a\r\u2028\u2029\x85b"),
    ("\x9b31m", r"\x9b31m"),  # C1, an ESC in one character
    ("gpj.\u202egnp", r"gpj.\u202egnp"),
    ("\u2066\u200f\u061c", r"\u2066\u200f\u061c"),
    ("a\u200b\u200d\ufeff\u00ad\u2060b", r"a\u200b\u200d\ufeff\xad\u2060b"),
    ("a\ufe0f\u3164\u034f", r"a\ufe0f\u3164\u034f"),
    ("\U000e0041", r"\U000e0041"),
    ("\udcff", r"\udcff"),
]
LETTERS = "Straße, 犬が走る　はい, كلب, स्की, café, 🐕"


@pytest.mark.parametrize(("text", "shown"), ODD)
def test_what_acts_on_a_terminal_is_escaped(text, shown):
    assert escaped(text) == shown


def test_letters_of_all_scripts_stay():
    assert escaped(LETTERS) == LETTERS
    assert escaped_json(json.dumps(LETTERS, ensure_ascii=False)) == json.dumps(LETTERS, ensure_ascii=False)


@given(st.text(st.characters()))
def test_nothing_that_is_no_letter_mark_sign_or_space_is_left(text):
    once = escaped(text)
    assert {unicodedata.category(char) for char in once} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} == set()
    assert escaped(once) == once


@given(st.dictionaries(st.text(st.characters()), st.text(st.characters())))
def test_json_says_the_same_and_holds_nothing_odd(value):
    line = escaped_json(json.dumps(value, ensure_ascii=False))
    assert escaped(line) == line
    assert json.loads(line) == json.loads(json.dumps(value))


@pytest.mark.parametrize("text", [text for text, _ in ODD])
def test_an_error_of_ours_says_nothing_that_acts(text):
    for error in (SettingsError(f"no {text}"), BadImage("corrupt", f"no {text}")):
        assert str(error) == f"no {escaped(text)}"


LOGGING = """
import logging, sys
from pipeline.core.terminal import escape_logs
logging.basicConfig(format="%(levelname)s %(message)s", stream=sys.stderr)
escape_logs()
name = "\\x1b[2J\\nERROR forged\\x9b"
logging.getLogger("of.a.library").warning("cannot read %s", name)
try:
    raise OSError(name)
except OSError:
    logging.getLogger("another").exception("failed")
raise ValueError(name)
"""


def test_a_log_and_a_traceback_hold_no_forged_line():
    done = subprocess.run([sys.executable, "-c", LOGGING], capture_output=True, text=True, check=False, timeout=60)
    lines = done.stderr.splitlines()
    assert lines[0] == r"WARNING cannot read \x1b[2J\nERROR forged\x9b"
    assert [line for line in lines if line.startswith("ERROR")] == ["ERROR failed"]
    assert "  ERROR forged\\x9b" in lines
    assert "\x1b" not in done.stderr
    assert [line for line in lines[1:] if not line.startswith(("  ", "Traceback", "ERROR failed"))] == []


def test_spaces_of_all_scripts_stay():
    name = "Screenshot 9.41\u202fPM, 10\u00a0h\u3000.png"
    assert escaped(name) == name
