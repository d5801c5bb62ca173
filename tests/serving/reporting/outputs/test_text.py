"""Captions as alt texts and as cells."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.reporting.outputs.text import cell, shorten


@given(st.text())
def test_no_cell_begins_a_formula(text):
    assert not cell(text).lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r"))
    assert cell(text).removeprefix("'") in {text, text.removeprefix("'")}


@pytest.mark.parametrize(
    ("most", "cut"),
    [(None, "a dog, runs over"), (16, "a dog, runs over"), (15, "a dog, runs…"), (12, "a dog, runs…"), (11, "a dog…")],
)
def test_cuts(most, cut):
    assert shorten("a dog, runs over", most) == cut


@given(st.text(), st.integers(10, 40))
def test_a_cut_caption_is_not_longer(text, most):
    assert len(shorten(text, most)) <= most
    assert shorten("x" * 50, most) == "x" * (most - 1) + "…"
