"""Nights that still need their files, and those whose time is over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline.files import read_json
from pipeline.housekeeping.trash import Waste, written_at
from serving.leftovers import has_ended


def open_models(store: Path) -> frozenset[str]:
    """Digests of the models that planned and unpublished nights have pinned, held ones among them."""
    return frozenset(read_json(plan)["model"]["digest"] for plan in _plans(store) if not has_ended(plan))


def ended_nights(store: Path, since: float) -> Iterator[Waste]:
    """The files of runs that have ended and were not written to after a moment, in seconds since 1970."""
    for plan in _plans(store):
        run = plan.parents[1]
        folder = run.parent if [*run.parent.iterdir()] == [run] else run
        if has_ended(plan) and written_at(folder) < since:
            yield Waste("night", (folder,), written_at(folder), since)


def _plans(store: Path) -> list[Path]:
    return sorted(store.glob("nights/[!.]*/[!.]*/plan/plan.json"))
