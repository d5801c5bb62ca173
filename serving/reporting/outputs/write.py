"""Write a published run's captions to its output, and take forgotten images out again."""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from pipeline.storage.tables import CAPTIONED, HUMAN, CaptionTable
from serving.reporting.outputs.index import note
from serving.reporting.outputs.targets import OutputTarget, target_of
from serving.reporting.outputs.text import cell, shorten
from serving.runs.plan_file import Plan

log = logging.getLogger(__name__)

WITHDRAWN = "withdrawn"  # the status of a record whose caption a rollback has taken back

_COLUMNS = (
    "image",
    "status",
    "caption",
    "alternatives",
    "score",
    "confidence",
    "reason",
    "flags",
    "source",
    "model_name",
    "model_version",
    "night",
)

Record = dict[str, Any]
Take = Callable[[list[Record]], None]


@dataclass
class Written:
    """What an output holds of a run.

    Attributes:
        records: lines of the JSON lines and of the CSV file.
        sidecars: text files that say what they should.
        kept: text files that somebody else wrote, which stayed.
    """

    records: int = 0
    sidecars: int = 0
    kept: int = 0


@dataclass
class _Job:
    """One run and where its output goes."""

    plan: Plan
    table: CaptionTable
    place: OutputTarget
    written: Written = field(default_factory=Written)


def write_outputs(plan: Plan) -> Written | None:
    """Write what the settings ask for; the same run again writes the same files. None if there is no output.

    Every image of the run has its record. What a person wrote comes in place of the model's caption. One that was
    withdrawn is not written again: its record says so, and its text file holds what is current, or goes. A text file
    that holds something other than a caption of ours is left alone.

    Raises:
        ObjectUnavailable: the disk or the store failed, or is full; no file is left half written.
        SettingsError: the store refuses.
    """
    settings = plan.settings
    if settings.output is None:
        return None
    note(plan)
    job = _Job(plan, CaptionTable(plan.table), target_of(settings.output, settings.store_patience_s))
    with ExitStack() as stack:
        takers = [take(stack) for take in _takers(job)]
        for records in _records(job):
            job.written.records += len(records)
            for take in takers:
                take(records)
    log.info("night %s: %s in %s", plan.night, job.written, settings.output)
    return job.written


def forget_outputs(plan: Plan, images: Collection[str]) -> None:
    """Remove what a run's output says of images: its files, which are to be written again, and the images' text files.

    Text files that somebody else wrote stay. Must come before the images are taken out of the table, as that
    tells which are ours.
    """
    if plan.settings.output is None:
        return
    place = target_of(plan.settings.output, plan.settings.store_patience_s)
    said = CaptionTable(plan.table).all_captions(images)
    for image in images:
        name = sidecar_name(plan, image)
        place.tidy(name)
        if _is_ours(place.read(name), said.get(image, frozenset())):
            place.remove(name)
    for ending in ("jsonl", "csv"):
        place.tidy(file_name(plan, ending))
        place.remove(file_name(plan, ending))


def file_name(plan: Plan, ending: str) -> str:
    """What a run's file is called under its output."""
    return f"captions-{plan.night}.{ending}"


def sidecar_name(plan: Plan, image: str) -> str:
    """An image's text file under the output: where it lies under the input."""
    return plan.name_of(image) + ".txt"


def _takers(job: _Job) -> Iterator[Callable[[ExitStack], Take]]:
    settings = job.plan.settings
    if settings.write_jsonl:
        yield lambda stack: _json_lines(job, stack)
    if settings.write_csv:
        yield lambda stack: _csv_rows(job, stack)
    if settings.write_sidecars:
        yield lambda stack: _sidecars(job)


def _records(job: _Job) -> Iterator[list[Record]]:
    """The run's images, some thousands at a time."""
    humans = job.table.human_captions()
    for batch in job.table.published(job.plan.night, job.plan.run, [*_COLUMNS, WITHDRAWN]):
        yield [_record(job, row, humans.get(row["image"])) for row in batch.to_pylist()]


def _record(job: _Job, row: Record, by_hand: str | None) -> Record:
    settings = job.plan.settings
    if row.pop(WITHDRAWN):
        row |= {"status": WITHDRAWN}
    told = row if row["status"] == CAPTIONED else row | {"caption": None, "alternatives": []}  # some are withheld
    record = told if by_hand is None else told | _by_hand(by_hand)
    record["alternatives"] = (record["alternatives"] or [])[: settings.alternatives]
    if record["caption"] is not None:
        record["caption"] = shorten(record["caption"], settings.max_caption_length)
    return record


def _by_hand(caption: str) -> Record:
    return {
        "status": CAPTIONED,
        "caption": caption,
        "alternatives": [],
        "score": None,
        "confidence": None,
        "reason": None,
        "source": HUMAN,
        "model_name": None,
        "model_version": None,
    }


def _json_lines(job: _Job, stack: ExitStack) -> Take:
    file = stack.enter_context(job.place.write(file_name(job.plan, "jsonl")))

    def take(records: list[Record]) -> None:
        file.writelines(json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in records)

    return take


def _csv_rows(job: _Job, stack: ExitStack) -> Take:
    file = stack.enter_context(job.place.write(file_name(job.plan, "csv")))
    file.write(_csv_line(_COLUMNS))

    def take(records: list[Record]) -> None:
        file.writelines(_csv_line(_cell(record[name]) for name in _COLUMNS) for record in records)

    return take


def _csv_line(cells: Any) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue().encode()


def _cell(value: Any) -> Any:
    """Numbers as they are; texts that are no formulas; lists with bars between."""
    if value is None or isinstance(value, float):
        return value
    return cell(" | ".join(value) if isinstance(value, list) else value)


def _sidecars(job: _Job) -> Take:
    def take(records: list[Record]) -> None:
        captions = {each["image"]: each["caption"] for each in records if each["caption"] is not None}
        taken_back = {each["image"] for each in records if each["status"] == WITHDRAWN}
        there = {image: job.place.read(sidecar_name(job.plan, image)) for image in captions.keys() | taken_back}
        other = {image for image in captions if there[image] not in {None, _sidecar(captions[image])}}
        said, newest = job.table.all_captions(other | taken_back), job.table.current(other | taken_back)
        for image, text in there.items():
            # An old run that is reported again must not put its caption in a newer one's place.
            latest = newest.get(image, captions.get(image))
            _write_sidecar(job, image, latest, text, said.get(image, frozenset()))

    return take


def _write_sidecar(job: _Job, image: str, caption: str | None, there: bytes | None, said: Collection[str]) -> None:
    text = None if caption is None else _sidecar(shorten(caption, job.plan.settings.max_caption_length))
    if there not in {None, text} and not _is_ours(there, said):
        job.written.kept += 1
        return
    if text is None:
        job.place.remove(sidecar_name(job.plan, image))
        return
    if there != text:
        with job.place.write(sidecar_name(job.plan, image)) as file:
            file.write(text)
    job.written.sidecars += 1


def _sidecar(caption: str) -> bytes:
    return f"{caption}\n".encode()


def _is_ours(text: bytes | None, captions: Collection[str]) -> bool:
    """Whether a text file holds one of our captions, whatever length it was cut at."""
    if text is None:
        return False
    said = text.decode("utf-8", "replace").strip()
    return bool(said) and any(said in {caption, shorten(caption, len(said))} for caption in captions)
