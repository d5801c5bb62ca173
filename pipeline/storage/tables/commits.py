"""One commit of a Delta table: files are written, then named in the log, or they are removed again.

All commits of ours count under the application id `nightcap`. The count is the table's writer sequence: whoever
commits n+1 has seen n, so of two writers one wins and the other reads again. The files of a commit carry its number
in their names, so that one whose number is taken can never join the table and may be removed at any time.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import DeltaError
from deltalake.schema import Schema
from deltalake.transaction import AddAction

from pipeline.core.errors import SettingsError
from pipeline.storage.files import sync_folder
from pipeline.storage.tables.delta_log import (
    CHECKPOINT_EVERY,
    checkpoint,
    folder_of,
    opened,
    sizes_of,
    sync_log,
    write_commit,
)
from pipeline.storage.tables.schema import CORE, SCHEMA

log = logging.getLogger(__name__)

APPLICATION = "nightcap"
FILE_ROWS = 1_000_000
GROUP_ROWS = 65_536
BATCH_ROWS = 16_384

_CONFIGURATION = {"delta.checkpointInterval": str(CHECKPOINT_EVERY)}

_OURS = re.compile(r"part-(\d+)-[0-9a-f]{32}\.parquet")


@dataclass(frozen=True)
class Staged:
    """Files that were written and are not yet in the table: their entries for the log, and their number of rows."""

    actions: list[AddAction]
    rows: int


@dataclass(frozen=True)
class TableChange:
    """Rows that a commit adds, and files that it removes."""

    batches: Iterable[pa.RecordBatch]  # with `SCHEMA`
    removed: Collection[str]  # names of files of the table
    number: int  # in the names of the files; once a commit has taken it, files that bear it can never join the table
    sequence: int  # of the table after the commit
    is_append: bool = False  # rows without a sequence take the commit's; without rows nothing is committed
    file_rows: int = FILE_ROWS
    # Further applications and their versions, by the names of the table's files after the commit.
    noted: Callable[[Collection[str]], dict[str, int]] = lambda _: {}


def find_table(uri: str) -> DeltaTable | None:
    """The table, if there is one; raises SettingsError if it is not one of captions."""
    table = opened(uri)
    if table is None:
        return None
    missing = CORE - {field.name for field in table.schema().fields}
    if missing:
        raise SettingsError(f"table {uri} lacks the columns {', '.join(sorted(missing))}; name a table of captions")
    return table


def open_table(uri: str) -> DeltaTable:
    """The table for writing, created if missing, with every column of `SCHEMA`; many processes may do so at once."""
    try:
        table = find_table(uri)
        if table is None:
            table = DeltaTable.create(uri, SCHEMA, mode="ignore", name=Path(uri).name, configuration=_CONFIGURATION)
            sync_log(uri)
        return DeltaTable(uri) if add_columns(table) else table
    except DeltaError:
        return DeltaTable(uri)


def add_columns(table: DeltaTable) -> list[str]:
    """Add the columns that joined the schema since the table was created; returns their names."""
    existing = {field.name for field in table.schema().fields}
    missing = [field for field in Schema.from_arrow(SCHEMA).fields if field.name not in existing]
    if missing:
        table.alter.add_columns(missing, commit_properties=_counted(sequence_of(table) + 1))
        sync_log(folder_of(table))
    return [field.name for field in missing]


def sequence_of(table: DeltaTable) -> int:
    """The number of Nightcap's commits."""
    return table.transaction_version(APPLICATION) or 0


def names_of(table: DeltaTable) -> set[str]:
    """The names of the table's files."""
    return {path.name for path in sizes_of(table)}


def rows_in(table: DeltaTable) -> int:
    """The number of the table's rows, as its log has it."""
    counts = pa.table(table.get_add_actions(flatten=True))
    return sum(filter(None, counts["num_records"].to_pylist())) if "num_records" in counts.column_names else 0


def number_of(name: str) -> int | None:
    """The number in a file's name; None for a file of another writer."""
    ours = _OURS.fullmatch(name)
    return int(ours[1]) if ours else None


def dataset_of(table: DeltaTable) -> ds.Dataset:
    """The table's rows, with `SCHEMA` and the columns that others have added."""
    dataset = table.to_pyarrow_dataset()
    missing = [field for field in SCHEMA if field.name not in dataset.schema.names]
    return dataset.replace_schema(pa.schema([*dataset.schema, *missing])) if missing else dataset


def batches_of(
    dataset: ds.Dataset, condition: ds.Expression | None = None, columns: list[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Rows in the table's order, few of them in memory at once."""
    return iter(scanner_of(dataset, condition, columns).to_batches())


def scanner_of(
    dataset: ds.Dataset, condition: ds.Expression | None = None, columns: list[str] | None = None
) -> ds.Scanner:
    """A scanner that reads little ahead."""
    return dataset.scanner(columns, condition, BATCH_ROWS, batch_readahead=2, fragment_readahead=1)


def commit(uri: str, table: DeltaTable, change: TableChange) -> int | None:
    """Write rows and commit them; returns their number, or None if somebody else committed first.

    After any other failure, such as a full disk, the files are removed again. `table` is the state that the caller
    read; if there is a newer one, nothing is committed.
    """
    try:
        staged = _stage(Path(uri), change)
    except FileNotFoundError:
        if DeltaTable(uri).version() == table.version():
            raise
        return None  # the number was taken meanwhile, and the files were swept away as a dead attempt's
    if change.is_append and not staged.rows:
        return 0
    if not _add_to_log(uri, table, staged, change):
        return None
    keep_checkpoints(uri)
    return staged.rows


def _stage(folder: Path, change: TableChange) -> Staged:
    actions: list[AddAction] = []
    rows = 0
    try:
        for file in _files(change):
            path = folder / f"part-{change.number:010d}-{uuid4().hex}.parquet"
            actions.append(AddAction(path.name, 0, {}, 0, True, ""))  # so that a failure removes it
            metadata = _write(path, file)
            rows += metadata.num_rows
            actions[-1] = added_file(path, metadata)
        sync_folder(folder)
    except BaseException:
        _discard(folder, actions)
        raise
    return Staged(actions, rows)


def _files(change: TableChange) -> Iterator[Iterator[pa.Table]]:
    """The rows of each file, in groups; read all of a file before the next."""
    groups = _groups(change)
    for first in groups:
        yield _up_to(change.file_rows, first, groups)


def _up_to(most: int, first: pa.Table, groups: Iterator[pa.Table]) -> Iterator[pa.Table]:
    rows = len(first)
    yield first
    while rows < most and (group := next(groups, None)) is not None:
        rows += len(group)
        yield group


def _groups(change: TableChange) -> Iterator[pa.Table]:
    most, waiting, rows = min(GROUP_ROWS, change.file_rows), list[pa.RecordBatch](), 0
    for batch in change.batches:
        left = _numbered(batch, change.sequence) if change.is_append else batch
        while len(left):
            waiting.append(left[: most - rows])
            left, rows = left[most - rows :], rows + len(waiting[-1])
            if rows == most:
                yield pa.Table.from_batches(waiting)
                waiting, rows = [], 0
    if waiting:
        yield pa.Table.from_batches(waiting)


def _numbered(rows: pa.RecordBatch, sequence: int) -> pa.RecordBatch:
    """The rows, with the commit's sequence where they have none."""
    column = rows.schema.get_field_index("sequence")
    return rows.set_column(column, rows.schema.field(column), rows["sequence"].fill_null(sequence))


def _write(path: Path, groups: Iterator[pa.Table]) -> pq.FileMetaData:
    with path.open("xb") as file:
        first = next(groups)
        with pq.ParquetWriter(file, first.schema, compression="zstd") as writer:
            writer.write_table(first)
            for group in groups:
                writer.write_table(group)
        file.flush()
        os.fsync(file.fileno())
    return pq.read_metadata(path)


def added_file(path: Path, metadata: pq.FileMetaData) -> AddAction:
    """A file's entry for the log, without minimum and maximum values, as these are names of images.

    Readers find them in the file itself. A log that has them of some columns only would hide rows from
    `to_pyarrow_dataset`, which takes a missing value for null.
    """
    status = path.stat()
    statistics = json.dumps({"numRecords": metadata.num_rows})
    return AddAction(path.name, status.st_size, {}, int(status.st_mtime * 1000), True, statistics)


def _add_to_log(uri: str, table: DeltaTable, staged: Staged, change: TableChange) -> bool:
    """Add the files to the log; returns False, and removes the files, if somebody else committed first."""
    added = {action.path for action in staged.actions}
    try:
        transactions = {APPLICATION: change.sequence} | change.noted((names_of(table) | added) - set(change.removed))
        is_committed = write_commit(table, staged.actions, change.removed, transactions)
    except BaseException as error:
        if added & names_of(DeltaTable(uri)):  # the failure came after the commit
            if not isinstance(error, Exception):
                raise
            log.warning("table %s: %s", uri, error)
            return True
        _discard(Path(uri), staged.actions)
        raise
    if not is_committed:
        _discard(Path(uri), staged.actions)
    return is_committed


def keep_checkpoints(uri: str) -> None:
    """Write a checkpoint now and then; the commit stands without it."""
    try:
        table = DeltaTable(uri)
        if table.version() % CHECKPOINT_EVERY == 0:
            checkpoint(table)
    except (DeltaError, OSError) as error:
        log.warning("table %s has no new checkpoint: %s", uri, error)


def _discard(folder: Path, actions: list[AddAction]) -> None:
    for action in actions:
        with suppress(OSError):
            (folder / action.path).unlink(missing_ok=True)


def _counted(sequence: int) -> CommitProperties:
    return CommitProperties(app_transactions=[Transaction(APPLICATION, sequence)], max_commit_retries=0)
