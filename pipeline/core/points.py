"""Caption scores as people are shown them: times 100. Files, tables and metrics keep fractions."""

from __future__ import annotations

from typing import Final

POINTS: Final = 100  # of a score of 1


def points(score: float) -> str:
    """A score in points, with one digit."""
    return f"{POINTS * score:.1f}"
