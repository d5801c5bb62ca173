"""Forget images everywhere, as one operation that may stop anywhere and goes on when it is called again.

The intent is on the disk before anything is removed. Then come, each to be repeated at will: trainings, unpublished
runs, lists with galleries and outputs, tables, logs. What a step needs to find its images goes in a later one. In the
end each place is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from pipeline.core.environment import Home
from pipeline.core.errors import ObjectUnavailable
from pipeline.registry.lineage import Exposed
from pipeline.storage.forgotten import Forgotten, Intent, begun_of, intents_of, remember_to_forget
from pipeline.storage.name_matching import MatchedNames, match_names
from pipeline.storage.scrub import drop_mentions
from pipeline.storage.tables import CaptionTable
from pipeline.storage.tables.maintenance import purge
from pipeline.storage.tables.people_table import PeopleTable
from pipeline.storage.tables.reviews import said_by_people
from pipeline.storage.tables.schema import one_of
from pipeline.storage.tables.withdraw import erase
from pipeline.storage.trash import empty_trash
from pipeline.upkeep.forget import Forgetting, known_digests, snapshot_images
from serving.reporting.outputs.text import shorten
from serving.runs.places import Places
from serving.upkeep.forget import (
    digests_of,
    inputs_of,
    listed_images,
    look_for,
    remove_unpublished,
    strip_nights,
    strip_outputs,
    tables_of,
    text_lengths,
)


class ForgetOutcome(NamedTuple):
    """What a call did, and what it found when it looked afterwards."""

    rows: int  # of captions, corrections and reviews, erased
    nights: int  # whose outputs or pages were written again
    files: int  # others that were rewritten or removed
    exposed: list[Exposed]  # registered versions that have learned from the images
    tables: list[str]  # paths of the tables of captions that were searched
    names: MatchedNames  # what became of the names that were given
    unfinished: int  # images of other calls that have not ended


class _Job(NamedTuple):
    home: Home
    tables: list[CaptionTable]
    said: tuple[PeopleTable, ...]


def forget_images(
    home: Home,
    named: Collection[str],
    table: str | Path,
    show_step: Callable[[str], None],
    accept_empty: bool = False,
) -> ForgetOutcome:
    """Remove images from everywhere; after an error, or if it is killed, a second call goes on.

    `table` is searched beside the tables that the home knows or an unfinished call has searched. A name that nothing
    knows is remembered, so that no night captions such an image; the outcome tells it. Raises ObjectUnavailable if a
    trace is left in the end, and before anything is removed if a table that held rows is not there, unless a person
    accepts that.
    """
    begun = (uri for each in intents_of(home.store) if each.state == "begun" for uri in each.tables)
    tables = {each.uri: each for each in (CaptionTable(table), *tables_of(home), *map(CaptionTable, begun))}
    for each in tables.values():
        Places.of(home).require_table(each, accept_empty)
    job = _Job(home, list(tables.values()), said_by_people(home.store))
    show_step("looking for the images")
    names = _matched(job, named)
    images = frozenset(names.found.values())
    is_begun = any(image in Forgotten.of(home.store) for image in images)
    intent, forgotten = _begin(job, images, frozenset(map(_address, names.unknown)))
    for each in job.tables:
        if accept_empty and not each.is_there():
            Places.of(home).accept_empty("table", each.uri)
    empty_trash(home)  # nothing else looks there
    show_step("looking for what was trained on them")
    digests = {sha for sha in known_digests(home.store) if forgotten.hashed(sha) in intent.contents}
    forgetting = Forgetting(home, images, frozenset(digests).union(*(digests_of(each, images) for each in job.tables)))
    exposed = forgetting.exposed()
    show_step("removing snapshot rows, features and copies")
    files = forgetting.run(exposed)
    show_step("writing nights and outputs again")
    remove_unpublished(home.store, images)

    def is_ours(text: str) -> bool:
        return forgotten.hashed(text) in intent.captions

    nights = strip_nights(home.store, images, is_ours)
    nights += strip_outputs(home.store, images, is_ours, look=is_begun)
    show_step("removing captions")
    rows = sum(each.forget(images) for each in job.said)
    for each in job.tables:
        rows += erase(each, images)
        purge(each)
    files += sum(drop_mentions(log, images) for log in home.root.rglob("*.log"))
    show_step("looking again")
    left = look_for(home, images, nights) | {"files in MLflow": forgetting.run_artifacts(exposed)}
    _require_nothing_left(job, images, left)
    intent.end(home.store)
    others = [each for each in intents_of(home.store) if each.state != "done"]
    unfinished = len(frozenset().union(*(each.images for each in others)) - intent.images)
    return ForgetOutcome(
        rows=rows,
        nights=len({(plan.night, plan.run) for plan in nights}),
        files=files,
        exposed=exposed,
        tables=[each.uri for each in job.tables],
        names=names,
        unfinished=unfinished,
    )


def _matched(job: _Job, named: Collection[str]) -> MatchedNames:
    """The images as they are known here; one that an earlier call began to forget is known."""
    folders = sorted({job.home.input, *inputs_of(job.home.store)})
    begun = _begun(job.home.store, named, folders)
    rest = [name for name in named if name not in begun]
    known = {name for table in job.tables for name in table.images(one_of("image", rest))}
    if known.issuperset(rest):
        return MatchedNames(begun | {name: name for name in rest}, {})
    everything = chain.from_iterable(table.images() for table in job.tables)
    said_of = (row["image"] for table in job.said for row in table.rows())
    seen = match_names(rest, chain(known, everything, said_of, listed_images(job.home.store)), folders)
    # Names in snapshots are relative to other folders: an image of the night's is none of them for its last part.
    learnt = match_names(seen.unknown, snapshot_images(job.home.store))
    unknown = {name: seen.unknown[name] or likely for name, likely in learnt.unknown.items()}
    return MatchedNames(begun | dict(seen.found) | dict(learnt.found), unknown)


def _begun(store: Path, named: Collection[str], folders: Collection[str]) -> dict[str, str]:
    """The names that a call before began to forget, as it knew them: nothing else may know them any more."""
    begun = begun_of(store)
    if not begun:
        return {}
    forgotten, known = Forgotten.of(store), dict[str, str]()
    for name in named:
        forms = (name, _address(name), *(f"{folder.rstrip('/')}/{name}" for folder in folders))
        if form := next((form for form in forms if forgotten.hashed(form) in begun), None):
            known[name] = form
    return known


def _begin(job: _Job, images: frozenset[str], unknown: frozenset[str]) -> tuple[Intent, Forgotten]:
    """Note what is to be removed, and how it is recognised once the tables have lost it; then forget the names."""
    store = job.home.store
    forgotten = remember_to_forget(store, ())
    earlier = [each for each in intents_of(store) if each.images & forgotten.hashes(images)]
    lengths = text_lengths(store)
    captions = {
        shorten(caption, length).strip()
        for table in job.tables
        for said in table.all_captions(images).values()
        for caption in said
        for length in lengths
    }
    intent = Intent(
        images=forgotten.hashes(images | unknown),
        unknown=forgotten.hashes(unknown),
        contents=forgotten.hashes(sha for table in job.tables for sha in digests_of(table, images)),
        captions=forgotten.hashes(captions),
        tables=frozenset(table.uri for table in job.tables),
    ).recalls(earlier)
    intent.write(store)
    return intent, remember_to_forget(store, images | unknown)


def _require_nothing_left(job: _Job, images: frozenset[str], left: dict[str, int]) -> None:
    """Raise ObjectUnavailable if a place that had the images still has one."""
    for table in (each for history in job.tables for each in (history, CaptionTable(history.current_uri))):
        left[f"rows of {table.uri}"] = sum(1 for _ in table.images(one_of("image", images)))
    left |= {each.folder: sum(row["image"] in images for row in each.rows()) for each in job.said}
    found = ", ".join(f"{count} {place}" for place, count in left.items() if count)
    if found:
        raise ObjectUnavailable(f"forgotten images are still in {found}; another process wrote them: run this again")


def _address(name: str) -> str:
    return name if "://" in name else str(Path(name).absolute())
