"""Repair of tables of captions, and of what people said, whose files were cut, as by a power cut."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from deltalake import DeltaTable

from pipeline.core.errors import Permanent
from pipeline.storage.files import write_bytes
from pipeline.storage.tables.captions import CaptionTable
from pipeline.storage.tables.commits import TableChange, commit, open_table, sequence_of
from pipeline.storage.tables.corrections import CorrectionTable
from pipeline.storage.tables.delta_log import (
    blank_commit,
    damaged_checkpoints,
    damaged_commits,
    damaged_files,
    is_whole,
    remove_damaged_checkpoints,
    table_errors,
)
from pipeline.storage.tables.human_captions import corrections_in
from pipeline.storage.tables.orphans import unnamed_files
from pipeline.storage.tables.people_table import PeopleTable
from pipeline.storage.tables.schema import SCHEMA


@dataclass(frozen=True)
class Repaired:
    """What a repair did."""

    files: tuple[str, ...] = ()  # that were gone, empty or cut, and are left out
    rows: int = 0  # of these files, as far as the log tells; they are lost
    found: int = 0  # rows of whole files that no commit named any more


def repair_table(table: CaptionTable) -> Repaired:
    """Leave out what is damaged of the history, take in the rows of its lost commits, and make the current table fit.

    A lost commit may have been a compaction, a withdrawal or a forgetting, which is undone then. No night may be at work.
    """
    done, lost = _repair(table.uri, open_table)
    found = 0
    for path in reversed(lost):  # the newest first: it may hold the others
        found += table.append(_File(path), -1)
        path.unlink()  # else its rows would outlast whoever is forgotten
    table.write_current()
    _mark(table.uri).unlink(missing_ok=True)
    return replace(done, found=found)


def repair_corrections(table: CorrectionTable, captions: CaptionTable) -> Repaired:
    """As `repair_table`, for corrections; those that have joined the captions are not lost."""
    return repair_people_table(table, lambda: map(vars, corrections_in(captions)))


def repair_people_table(table: PeopleTable, known: Callable[[], Iterable[dict[str, Any]]] = tuple) -> Repaired:
    """As `repair_table`, for what people said; rows that are known from elsewhere are taken in, too."""
    if not _mark(table.uri).exists():
        with suppress(Permanent):
            table.rows()
            return Repaired()
    done, lost = _repair(table.uri, table.open_at)
    rows = [row for path in lost for row in pq.read_table(path).to_pylist()] + list(known())
    there = table.rows()
    found = table.append_rows([row for n, row in enumerate(rows) if row not in there and row not in rows[:n]])
    for path in lost:
        path.unlink()
    _mark(table.uri).unlink(missing_ok=True)
    return replace(done, found=found)


def _mark(uri: str) -> Path:
    """A file that is there until a repair has ended: a second one takes in what the first has left."""
    return Path(uri) / ".repairing"


def _repair(uri: str, opening: Callable[[str], DeltaTable]) -> tuple[Repaired, list[Path]]:
    """Leave out what is damaged; also the whole files that no commit names any more."""
    with table_errors(uri):
        is_begun = _mark(uri).exists()
        write_bytes(_mark(uri), b"")
        commits = _blank(uri, opening)
        damaged = damaged_files(opening(uri))
        rows = _leave_out(uri, damaged, opening) if damaged else 0
        lost = [path for path in unnamed_files(opening(uri)) if is_whole(path)] if commits or is_begun else []
    return Repaired(tuple(path.name for path in (*commits, *damaged)), rows), lost


@dataclass(frozen=True)
class _File:
    path: Path

    def to_batches(self) -> Iterator[pa.RecordBatch]:
        yield from ds.dataset(str(self.path), SCHEMA).to_batches()


def _blank(uri: str, opening: Callable[[str], DeltaTable]) -> list[Path]:
    """Put commits without rows in the place of damaged ones; a log that is lost begins anew. Returns the damaged files."""
    remove_damaged_checkpoints(uri)
    log, first = Path(uri) / "_delta_log", f"{0:020d}.json"
    lost = damaged_checkpoints(uri)  # whose commits are gone
    if lost:
        shutil.rmtree(log)
    commits = damaged_commits(uri) if any(log.glob("*.json")) else [log / first]
    with TemporaryDirectory() as folder:
        opening(folder)
        for path in commits:
            blank_commit(path, Path(folder) / "_delta_log" / first)
    return lost or commits


def _leave_out(uri: str, damaged: list[Path], opening: Callable[[str], DeltaTable]) -> int:
    """Take damaged files out of the table; the number of their rows."""
    table = opening(uri)
    names, number = {path.name for path in damaged}, sequence_of(table) + 1
    actions = pa.table(table.get_add_actions(flatten=True)).select(["path", "num_records"]).to_pylist()
    if commit(uri, table, TableChange((), names, number, number)) is None:
        raise Permanent(f"table {uri} is being written to; repair it while no night is at work")
    return sum(each["num_records"] or 0 for each in actions if each["path"] in names)
