"""The tree that docs/architecture.md shows, measured: no circle, and one meaning a public name."""

import runpy
from pathlib import Path

STRUCTURE = runpy.run_path(str(Path(__file__).resolve().parents[2] / "infra/structure.py"))


def test_places_form_no_circle():
    assert STRUCTURE["circles"](STRUCTURE["arrows"]()) == []


def test_no_public_name_is_defined_twice():
    assert STRUCTURE["defined_twice"]() == {}


def test_a_circle_and_its_levels_are_found():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}
    assert STRUCTURE["circles"](graph) == [{"b", "c"}]
    assert STRUCTURE["levels"](graph) == 3
