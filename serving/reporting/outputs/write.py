"""Write a published run's captions to its output, change what it says of some images, and remove forgotten ones."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import IO

from pipeline.storage.files import create_bytes
from pipeline.storage.forgotten import Forgotten, heeding_forgotten
from pipeline.storage.scrub import mentions
from pipeline.storage.tables import CAPTIONED, HUMAN, CaptionTable
from serving.reporting.outputs.index import add_to_index, naming_files, unwritten_mark
from serving.reporting.outputs.lines import HEADS, RECORD_COLUMNS, Ending, Record, line_of, with_record
from serving.reporting.outputs.targets import OutputTarget, target_of
from serving.reporting.outputs.text import shorten
from serving.runs.plan_file import Plan

log = logging.getLogger(__name__)

WITHDRAWN = "withdrawn"  # the status of a record whose caption a rollback has withdrawn

_TEXT_FILES = 256  # are written between two looks at the list of forgotten images
_FEW = 32  # records that are looked for in a file; for more it is written anew

Sink = Callable[[list[Record]], None]


class _OutOfDate(Exception):
    """Since the outputs were begun images were forgotten, or people wrote more captions than can be changed in them."""


@dataclass
class Written:
    """What an output holds of a run."""

    records: int = 0  # lines of the JSON lines and of the CSV file
    sidecars: int = 0  # text files with the current caption
    kept: int = 0  # text files that somebody else wrote, which stay


@dataclass
class _Job:
    """One run and where its output goes."""

    plan: Plan
    table: CaptionTable
    target: OutputTarget
    forgotten: Forgotten  # when the outputs were begun
    written: Written = field(default_factory=Written)


def write_outputs(plan: Plan) -> Written | None:
    """Write the files that the settings name; the same run again writes the same files. None if there is no output.

    Every image of the run has a record. A person's caption comes in place of the model's. The record of a withdrawn
    caption says so; the image's text file then holds the current caption, or is removed. A text file that holds
    something else than a caption of ours stays as it is. An error leaves no file half written. Raises ObjectUnavailable
    if the table held rows and is not there any more.
    """
    settings = plan.settings
    if settings.output is None:
        return None
    add_to_index(plan)
    target = target_of(settings.output, settings.store_patience_s)
    _tidy(target, plan)
    while (written := _write(_Job(plan, plan.open_table(), target, Forgotten.of(plan.store)))) is None:
        log.info("night %s: images or captions changed while its outputs were written; writing them again", plan.night)
    target.sync()  # before the report says that it is there
    log.info("night %s: %s in %s", plan.night, written, settings.output)
    return written


def amend_outputs(plan: Plan, images: Collection[str]) -> None:
    """Write what the files say of a few images again, from the table; the rest stays as it is. Errors as `write_outputs`.

    A file that is not there, or lacks a record of an image, is written whole, unless the run's first report is still to
    come, which does that.
    """
    if plan.settings.output is None:
        return
    target = target_of(plan.settings.output, plan.settings.store_patience_s)
    job = _Job(plan, plan.open_table(), target, Forgotten.of(plan.store))
    with heeding_forgotten(plan.store), naming_files(plan):
        is_done = _amend(job, images)
    if is_done:
        target.sync()
    elif plan.summary_file.is_file() or not plan.path.is_file():
        write_outputs(plan)


def _amend(job: _Job, images: Collection[str]) -> bool:
    """Write records of some images in place of those that the files have; False if a file cannot be changed so."""
    records = [each for some in _records(job, job.table.human_captions(images), images) for each in some]
    if len(records) > _FEW:
        return False
    if job.plan.settings.write_sidecars:
        _write_sidecars(job, records)
    return all(_amend_file(job, ending, records) for ending in _endings(job.plan))


def _amend_file(job: _Job, ending: Ending, records: list[Record]) -> bool:
    old = new = job.target.read(file_name(job.plan, ending))
    for record in records:
        new = None if new is None else with_record(new, record, ending)
    if new is not None and new != old:
        with job.target.write(file_name(job.plan, ending)) as file:
            file.write(new)
    return new is not None


def _write(job: _Job) -> Written | None:
    """Write a run's files; None, and the files of whole runs stay as they were, if they are out of date already.

    A few captions that people wrote meanwhile come after: whoever corrects one adds its row, and then changes the files.
    """
    with suppress(_OutOfDate), ExitStack() as ending:
        with ExitStack() as stack:
            humans, sinks = job.table.human_captions(), list(_sinks(job, stack))
            for records in _records(job, humans):
                job.written.records += len(records)
                for sink in sinks:
                    sink(records)
            if ending.enter_context(heeding_forgotten(job.plan.store)) != job.forgotten:
                raise _OutOfDate
            ending.enter_context(naming_files(job.plan))
            changed = {image for image, _ in humans.items() ^ job.table.human_captions().items()}
            if len(changed) > _FEW:
                raise _OutOfDate
            mark = unwritten_mark(job.plan.store)
            # This process may end before it has changed the files.
            is_marked = bool(changed) and create_bytes(mark, b"")
        if changed and _amend(replace(job, written=Written()), changed) and is_marked:
            mark.unlink(missing_ok=True)
        return job.written if Forgotten.of(job.plan.store) == job.forgotten else None
    return None


def forget_outputs(plan: Plan, images: Collection[str], is_ours: Callable[[str], bool] = lambda _: False) -> int:
    """Remove the text files of images, and what died over a run's files left of them; returns how many text files.

    A text file is ours, and goes, if it is one of the captions that the table has of its image, or as `is_ours` says.
    """
    if plan.settings.output is None:
        return 0
    target = target_of(plan.settings.output, plan.settings.store_patience_s)
    _tidy(target, plan)
    images = [image for image in images if plan.name_of(image) != image]  # others have no text file there
    captions = CaptionTable(plan.table).all_captions(images)
    return sum(_forget_sidecar(target, plan, image, captions.get(image, frozenset()), is_ours) for image in images)


def mentions_in_outputs(plan: Plan, images: Collection[str]) -> bool:
    """Whether a run's JSON lines or CSV file names one of the images."""
    if plan.settings.output is None:
        return False
    target = target_of(plan.settings.output, plan.settings.store_patience_s)
    files = (target.read(file_name(plan, ending)) for ending in HEADS)
    return any(content and mentions(content, images) for content in files)


def _forget_sidecar(
    target: OutputTarget, plan: Plan, image: str, captions: Collection[str], is_ours: Callable[[str], bool]
) -> bool:
    name = sidecar_name(plan, image)
    target.tidy(name)
    content = target.read(name)
    if content is None or not (_is_ours(content, captions) or is_ours(content.decode("utf-8", "replace").strip())):
        return False
    target.remove(name)
    return True


def _tidy(target: OutputTarget, plan: Plan) -> None:
    for ending in HEADS:
        target.tidy(file_name(plan, ending))


def file_name(plan: Plan, ending: Ending) -> str:
    """The name of a run's file under its output."""
    return f"captions-{plan.night}.{ending}"


def sidecar_name(plan: Plan, image: str) -> str:
    """The name of an image's text file: that of the image under the input, and `.txt`."""
    return plan.name_of(image) + ".txt"


def _endings(plan: Plan) -> list[Ending]:
    wanted: dict[Ending, bool] = {"jsonl": plan.settings.write_jsonl, "csv": plan.settings.write_csv}
    return [ending for ending, is_wanted in wanted.items() if is_wanted]


def _sinks(job: _Job, stack: ExitStack) -> Iterator[Sink]:
    for ending in _endings(job.plan):
        yield _lines(stack.enter_context(job.target.write(file_name(job.plan, ending))), ending)
    if job.plan.settings.write_sidecars:
        yield partial(_write_sidecars, job)


def _records(job: _Job, humans: dict[str, str], images: Collection[str] | None = None) -> Iterator[list[Record]]:
    """The records of the run's images, or of some of them, some thousands at a time."""
    for batch in job.table.published(job.plan.night, job.plan.run, [*RECORD_COLUMNS, WITHDRAWN], images):
        rows = (row for row in batch.to_pylist() if row["image"] not in job.forgotten)
        yield [_record(job, row, humans.get(row["image"])) for row in rows]


def _record(job: _Job, row: Record, human_caption: str | None) -> Record:
    settings = job.plan.settings
    record = row | ({"status": WITHDRAWN} if row.pop(WITHDRAWN) else {})
    if human_caption is not None:
        model = dict.fromkeys(("alternatives", "score", "confidence", "reason", "model_name", "model_version"))
        record |= model | {"status": CAPTIONED, "caption": human_caption, "source": HUMAN}
    elif record["status"] != CAPTIONED:
        record |= {"caption": None, "alternatives": None}  # captions that are withheld or withdrawn stay in the table
    record["alternatives"] = (record["alternatives"] or [])[: settings.alternatives]
    if record["caption"] is not None:
        record["caption"] = shorten(record["caption"], settings.max_caption_length)
    return record


def _lines(file: IO[bytes], ending: Ending) -> Sink:
    file.write(HEADS[ending])
    return lambda records: file.writelines(line_of(each, ending) for each in records)


@dataclass(frozen=True)
class _Said:
    """What the table says of some images, read if a text file is to be replaced, and once for all of them."""

    table: CaptionTable
    images: frozenset[str]

    @cached_property
    def ever(self) -> dict[str, frozenset[str]]:
        return self.table.all_captions(self.images)

    @cached_property
    def now(self) -> dict[str, str]:
        return self.table.current(self.images)


def _write_sidecars(job: _Job, records: list[Record]) -> None:
    said = _Said(job.table, frozenset(each["image"] for each in records))
    for start in range(0, len(records), _TEXT_FILES):
        some = records[start : start + _TEXT_FILES]
        writes = list(_sidecar_writes(job, some, said))  # nobody waits for what is read
        with heeding_forgotten(job.plan.store) as forgotten:
            for image, caption, text, ours in writes:
                if image not in forgotten:
                    _write_sidecar(job, image, caption, text, ours)
        if (late := Forgotten.of(job.plan.store)) != forgotten:  # where nobody can wait for this process
            images = [each["image"] for each in some if each["image"] in late]
            ours = {each["caption"].strip() for each in some if each["caption"]}
            forget_outputs(job.plan, images, ours.__contains__)


def _sidecar_writes(
    job: _Job, records: list[Record], said: _Said
) -> Iterator[tuple[str, str | None, bytes | None, Collection[str]]]:
    """Each image with a text file, what it is to say, what it says, and what it may have said as ours."""
    captions = {each["image"]: each["caption"] for each in records if each["caption"] is not None}
    withdrawn = {each["image"] for each in records if each["status"] == WITHDRAWN}
    for image in captions.keys() | withdrawn:
        caption, text = captions.get(image), job.target.read(sidecar_name(job.plan, image))
        if image not in withdrawn and text in {None, _sidecar(captions[image])}:
            yield image, caption, text, ()
        else:  # an old run that is reported again must not replace a newer run's caption by its own
            yield image, said.now.get(image, caption), text, said.ever.get(image, frozenset())


def _write_sidecar(job: _Job, image: str, caption: str | None, old: bytes | None, ours: Collection[str]) -> None:
    new = None if caption is None else _sidecar(shorten(caption, job.plan.settings.max_caption_length))
    if old not in {None, new} and not _is_ours(old, ours):
        job.written.kept += 1
        return
    if new is None:
        job.target.remove(sidecar_name(job.plan, image))
        return
    if old != new:
        with job.target.write(sidecar_name(job.plan, image)) as file:
            file.write(new)
    job.written.sidecars += 1


def _sidecar(caption: str) -> bytes:
    return f"{caption}\n".encode()


def _is_ours(content: bytes | None, captions: Collection[str]) -> bool:
    """Whether a text file holds one of our captions, shortened to any length, or nothing, as a power cut leaves it."""
    text = "" if content is None else content.decode("utf-8", "replace").strip()
    said = any(text in {caption, shorten(caption, len(text))} for caption in captions)
    return content == b"" or (bool(text) and said)
