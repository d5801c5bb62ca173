"""An index of the runs with outputs, which outlast the nights' files: an image may have to be forgotten there.

outputs/<night>/<run>.json      in the store, a copy of `plan.json`
                <run>.lock      held while the run's files get their names
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from pipeline.storage.files import read_json, read_json_if_whole, write_json
from pipeline.storage.locks import writing_in_turn
from pipeline.storage.tables import CaptionTable
from pipeline.storage.tables.schema import one_of
from serving.runs.lifecycle import RunFolder
from serving.runs.plan_file import Plan


def add_to_index(plan: Plan) -> None:
    """Add a run to the index, before it writes outputs."""
    path = _entry(plan)
    if read_json_if_whole(path) is None:
        write_json(path, plan.model_dump(mode="json"))


def naming_files(plan: Plan) -> AbstractContextManager[None]:
    """Around the step that gives a run's files their names or changes them, which one process does at a time.

    Raises ObjectUnavailable if another does not end.
    """
    return writing_in_turn(_entry(plan).with_suffix(".lock"), "outputs")


def unwritten_mark(store: Path) -> Path:
    """A file that is there while outputs may lack people's captions: whoever corrects next writes these again."""
    return store / "corrections.unwritten"


def index_entries(store: Path) -> Iterator[Path]:
    """The files of the index; one that is empty or cut is made anew from the plan of its run, if that is there."""
    for path in sorted(store.glob("outputs/*/*.json")):
        run = RunFolder.of(store, path.parent.name, path.stem)
        if read_json_if_whole(path) is None and run.has_plan:
            write_json(path, Plan.read(run.path).model_dump(mode="json"))
        yield path


def indexed_runs(store: Path) -> Iterator[Plan]:
    """The runs in the index; the files of their nights may be gone."""
    for path in index_entries(store):
        folder = RunFolder.of(store, path.parent.name, path.stem).folder
        yield Plan.model_validate(read_json(path) | {"folder": folder})


def nights_with(images: Collection[str]) -> Callable[[Plan], bool]:
    """Whether a night's table has rows of the night for images."""

    @cache
    def runs_of(table: str) -> set[tuple[Any, Any]]:
        batches = CaptionTable(table).batches(one_of("image", images), ["night", "run"])
        return {(row["night"], row["run"]) for batch in batches for row in batch.to_pylist()}

    return lambda plan: (plan.night, plan.run) in runs_of(plan.table)


def prune_index(store: Path, images: Collection[str]) -> None:
    """Remove images from the index: settings of a replay name some."""
    for path in index_entries(store):
        plan = read_json(path)
        if (rest := without_images(plan, images)) != plan:
            write_json(path, rest)


def without_images(plan: dict[str, Any], images: Collection[str]) -> dict[str, Any]:
    """The content of a `plan.json` without images, which a replay's settings and examples of ignored files may name."""
    named, ignored = plan["settings"].get("replay_images") or [], plan.get("ignored") or {}
    if not {*named, *chain.from_iterable(ignored.values())}.isdisjoint(images):
        kept = [image for image in named if image not in images]
        examples = {reason: [name for name in names if name not in images] for reason, names in ignored.items()}
        settings = plan["settings"] | ({"replay_images": kept} if named else {})
        plan = plan | {"settings": settings} | ({"ignored": examples} if ignored else {})
    return plan


def _entry(plan: Plan) -> Path:
    return plan.store / "outputs" / plan.night / f"{plan.run}.json"
