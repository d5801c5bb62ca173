"""Captions as alt texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.reporting.outputs.text import shorten


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
