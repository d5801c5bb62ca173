"""Remove images from the lists, galleries and outputs of nights; each step may stop anywhere, and be done again."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from pipeline.core.environment import Home
from pipeline.storage.files import read_json, write_bytes, write_json
from pipeline.storage.forgotten import while_nobody_writes
from pipeline.storage.scrub import lines_without, mentions
from pipeline.storage.tables import CaptionTable
from pipeline.storage.tables.schema import one_of
from serving.reporting.outputs import forget_outputs, mentions_in_outputs, write_outputs
from serving.reporting.outputs.index import index_entries, indexed_runs, nights_with, prune_index, without_images
from serving.reporting.report import report_anew
from serving.runs.lifecycle import RunFolder, planned_runs, scratch_folders, set_aside, unplanned_runs
from serving.runs.plan_file import Plan

log = logging.getLogger(__name__)

_TEXTS = {".csv", ".html", ".json", ".jsonl", ".md", ".txt"}

IsOurs = Callable[[str], bool]  # whether a text file says what we once wrote


def tables_of(home: Home) -> list[CaptionTable]:
    """Every table of captions that the home knows: its own, and those of its nights and their outputs."""
    plans = (read_json(path) for path in (*_plans(home.store), *index_entries(home.store)))
    return [CaptionTable(path) for path in dict.fromkeys([str(home.captions), *(plan["table"] for plan in plans)])]


def inputs_of(store: Path) -> set[str]:
    """The inputs of all nights whose files are there."""
    return {read_json(path)["input"] for path in _plans(store)}


def listed_images(store: Path) -> Iterator[str]:
    """The images in the lists of nights, some several times."""
    for run in planned_runs(store):
        yield from (info.uri for info in Plan.read(run.path).listed())


def digests_of(table: CaptionTable, images: Collection[str]) -> frozenset[str]:
    """SHA-256 of all bytes that images have had."""
    rows = table.batches(one_of("image", images), ["sha256"])
    return frozenset(sha for batch in rows for sha in batch["sha256"].to_pylist() if sha)


def remove_unpublished(store: Path, images: Collection[str]) -> None:
    """Remove what dead processes left half written, and unpublished runs with the images or with damaged lists.

    The next night plans the other images of such a run anew. The table says what was published, and nobody publishes
    meanwhile. Must come after the images were added to the forgotten ones.
    """
    with while_nobody_writes(store):
        aside = [*scratch_folders(store)]  # nobody writes one outside of `heeding_forgotten`
        # A plan that is being made has no parts; a shard that ended late has no plan; what a damaged one named, nobody knows.
        unplanned = [RunFolder(folder=run) for run in unplanned_runs(store)]
        aside += [set_aside(run.folder) for run in unplanned if run.parts.exists() or run.path.exists()]
        for run in planned_runs(store):
            if run.has_ended or run.is_in_table:
                continue
            if _has(run, images) or not Plan.read(run.path).has_whole_lists:
                message = "night %s, run %s is removed: it is unpublished, and has an image to forget or a damaged list"
                log.warning(message, *run.names)
                aside.append(set_aside(run.folder))
    for folder in aside:
        shutil.rmtree(folder, ignore_errors=True)


def strip_nights(store: Path, images: Collection[str], is_ours: IsOurs = lambda _: False) -> list[Plan]:
    """Write lists, galleries and outputs of published nights again without images; returns the nights that had them.

    Must come before the images are removed from the table, which tells their text files from others, and their nights.
    """
    has_rows = nights_with(images)
    stripped = []
    for run in planned_runs(store):
        plan = Plan.read(run.path)
        if (plan.has_ended or plan.is_in_table) and (_has(run, images) or has_rows(plan)):
            _strip(plan, images, is_ours)
            stripped.append(plan)
    return stripped


def strip_outputs(
    store: Path, images: Collection[str], is_ours: IsOurs = lambda _: False, look: bool = False
) -> list[Plan]:
    """Write the outputs again of nights whose own files are gone; returns these nights.

    Must come before the images are removed from the table. If it has lost them already, as an earlier call was stopped,
    `look` at the files themselves, of all nights.
    """
    prune_index(store, images)
    has_rows, stripped = nights_with(images), []
    for plan in indexed_runs(store):
        is_due = has_rows(plan) and not plan.path.is_file()
        if is_due or look:
            removed = forget_outputs(plan, images, is_ours)
            if is_due or removed or mentions_in_outputs(plan, images):
                write_outputs(plan)
                stripped.append(plan)
    return stripped


def text_lengths(store: Path) -> set[int | None]:
    """The lengths that nights have cut the captions of their text files to; None for no cut."""
    paths = (*_plans(store), *index_entries(store))
    return {None, *(read_json(path)["settings"].get("max_caption_length") for path in paths)}


def look_for(home: Home, images: Collection[str], plans: Collection[Plan]) -> dict[str, int]:
    """How many lists, pages, thumbnails, outputs and cached files still tell of images, with the outputs of `plans`."""
    runs = planned_runs(home.store)
    pages = [(page, Plan.read(run.path)) for run in runs if (page := run.gallery / "index.html").is_file()]
    told = [page for page, plan in pages if mentions(page.read_bytes(), {*images, *map(plan.name_of, images)})]
    shown = {
        page: page.read_text(encoding="utf-8") for page, _ in pages if page.parent.parent in {p.folder for p in plans}
    }
    cached = (path for path in (home.root / "cache").rglob("*") if path.suffix in _TEXTS and path.is_file())
    return {
        "lists of nights": sum(_has(run, images) for run in runs),
        "galleries": len(told),
        "thumbnails": sum(each.name not in text for page, text in shown.items() for each in _thumbnails(page)),
        "outputs": sum(mentions_in_outputs(plan, images) for plan in plans),
        "cached files": sum(mentions(path.read_bytes(), images) for path in cached),
    }


def _thumbnails(page: Path) -> Iterator[Path]:
    return (page.parent / "thumbnails").glob("*")


def _strip(plan: Plan, images: Collection[str], is_ours: IsOurs) -> None:
    """Remove images from a published run; its lists come last, as they tell a later call that it is to be done."""
    content = read_json(plan.path)
    rest = without_images(content, images)
    clean = Plan.model_validate(rest | {"folder": plan.folder})
    shutil.rmtree(plan.parts, ignore_errors=True)  # a process that published it may have died over them
    forget_outputs(plan, images, is_ours)
    if plan.has_ended:
        report_anew(clean)
    else:  # it is being published; or its process died over that, and the next night goes on with it
        write_outputs(clean)
    if rest != content:
        write_json(plan.path, rest)
    for path, lines in _lists_with(plan, images):
        write_bytes(path, lines)


def _has(run: RunFolder, images: Collection[str]) -> bool:
    content = read_json(run.path)
    return any(True for _ in _lists_with(run, images)) or without_images(content, images) != content


def _lists_with(run: RunFolder, images: Collection[str]) -> Iterator[tuple[Path, bytes]]:
    """A run's lists that have images, and what they are without them."""
    for path in run.shard_lists:
        if (rest := lines_without(path, images)) is not None:
            yield path, rest


def _plans(store: Path) -> Iterator[Path]:
    return (run.path for run in planned_runs(store))
