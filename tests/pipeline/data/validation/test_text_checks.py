import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.validation.text_checks import SCANNED, is_formula, links, personal_data


@pytest.mark.parametrize(
    "caption",
    [
        "mail bob@example.com now",
        "bob \uff20 example.com",
        "bo\u200bb@ex\u200bample.com",
        "bob (at) example (dot) com",
        "call +49 30 1234567",
        "call 555-123-4567",
        "card 4111 1111 1111 1111",
        "pay to DE89 3704 0044 0532 0130 00",
        "number 078-05-1120",
        "from 192.168.0.1",
        "by @someone_else",
    ],
)
def test_personal_data_is_found(caption):
    assert personal_data(caption) == 1


@pytest.mark.parametrize(
    "caption",
    [
        "two dogs meet @ noon",
        "in 1998-2001 a dog",
        "on 12/05/2019 a dog runs",
        "10 20 30 40 50 people",
        "runner number 1234567",
        "a score of 3-2 after 90 minutes",
        "version 1.2.3 of a sign",
        "GB29 is a bus",
    ],
)
def test_numbers_of_other_kinds_are_none(caption):
    assert personal_data(caption) == 0


@pytest.mark.parametrize(
    "caption", ["see https://example.org", "www.example.org", "JavaScript:alert(1)", "data:text/html"]
)
def test_links_are_found(caption):
    assert links(caption) == 1


@pytest.mark.parametrize("caption", ["=1+1", " @SUM(A1)", "+cmd|' /C calc'!A0", "-2+3", "\uff1d1+1", "\t=1"])
def test_formulas_are_found(caption):
    assert is_formula(caption)


@pytest.mark.parametrize("caption", ["a dog = a friend", "- a dog", "two + two", "a data: sheet", "http is a protocol"])
def test_ordinary_signs_are_neither(caption):
    assert not is_formula(caption)
    assert not links(caption)


@given(st.text())
def test_any_text_is_measured(text):
    assert personal_data(text) >= 0
    assert links(text) >= 0
    assert is_formula(text) in (True, False)


@pytest.mark.parametrize(
    "text", ["a" * 10**6, "1-" * 10**5, "a@" * 10**5, "a." * 10**5, "DE89 " * 10**5, "+" + "1" * 10**6]
)
def test_hostile_captions_take_no_time(text):
    started = time.process_time()
    personal_data(text)
    links(text)
    is_formula(text)
    assert time.process_time() - started < 1
    assert len(text) > SCANNED
