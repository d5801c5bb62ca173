"""Cells that no spreadsheet takes for a formula."""

import csv
import io
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.core.spreadsheet import cell, csv_line, text_of

FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
TEXTS = st.text(st.sampled_from("=+-@\uff1d\uff20,;|\t\r\n\"' a\u200b\ufeff\xa0")) | st.text()
SEPARATORS = [",", ";", "\t", "|"]


def begins_a_formula(field):
    return re.sub(r"\A[\s\"\u200b\ufeff]+", "", field).startswith(FORMULA)


@pytest.mark.parametrize("separator", SEPARATORS)
@given(st.lists(TEXTS, min_size=1, max_size=3))
@example(["a;=cmd|'/c calc'!A0"])
@example(["a\t=1+1"])
@example(["a\r\n=1+1"])
@example(['a;"=1+1"'])
def test_no_cell_begins_a_formula_whatever_separates(separator, texts):
    line = csv_line(texts)
    assert [text_of(field) for field in next(csv.reader(io.StringIO(line, newline="")))] == texts
    read = [field for row in csv.reader(io.StringIO(line, newline=""), delimiter=separator) for field in row]
    naive = re.split(rf"{re.escape(separator)}|[\r\n]", line)  # a program that knows no quotation marks
    assert [field for field in [*read, *naive] if begins_a_formula(field)] == []


@given(TEXTS)
def test_a_text_comes_back(text):
    assert text_of(cell(text)) == text


def test_a_harmless_text_and_a_number_stay():
    assert cell("a dog - two, three; don't") == "a dog - two, three; don't"
    assert csv_line(["a", -0.5, None]) == '"a","-0.5",""\r\n'
