"""Which runs wrote outputs, noted apart: outputs outlast the nights' files, and an image may have to be forgotten there.

outputs/<night>/<run>.json      in the store, what `plan.json` says
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from pipeline.storage.files import read_json, write_json
from pipeline.storage.scrub import pruned
from serving.runs.lifecycle import RunFolder
from serving.runs.plan_file import Plan


def note(plan: Plan) -> None:
    """Remember that a run writes outputs, before it does."""
    path = plan.store / "outputs" / plan.night / f"{plan.run}.json"
    if not path.is_file():
        write_json(path, plan.model_dump(mode="json"))


def noted(store: Path) -> Iterator[Plan]:
    """The runs that wrote outputs; the files of their nights may be gone."""
    for path in sorted(store.glob("outputs/*/*.json")):
        folder = RunFolder.of(store, path.parent.name, path.stem).folder
        yield Plan.model_validate(read_json(path) | {"folder": folder})


def prune(store: Path, images: Collection[str]) -> None:
    """Take images out of what is noted: a replay names some."""
    for path in store.glob("outputs/*/*.json"):
        decided = read_json(path)
        if (kept := pruned(decided, images)) != decided:
            write_json(path, kept)
