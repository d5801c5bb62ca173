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
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import uuid4

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import DeltaError
from deltalake.schema import Schema
from deltalake.transaction import AddAction

from pipeline.core.errors import ObjectUnavailable, SettingsError
from pipeline.storage.tables.schema import CORE, SCHEMA

log = logging.getLogger(__name__)

APPLICATION = "nightcap"
FILE_ROWS = 1_000_000
GROUP_ROWS = 65_536
BATCH_ROWS = 16_384

_CONFIGURATION = {"delta.checkpointInterval": "10"}  # else opening a table reads up to a hundred commits

_OURS = re.compile(r"part-(\d+)-[0-9a-f]{32}\.parquet")


@dataclass(frozen=True)
class Staged:
    """Files that were written and are not yet in the table: their entries for the log, and their number of rows."""

    actions: list[AddAction]
    rows: int


@contextmanager
def table_errors(uri: str) -> Iterator[None]:
    """Around work on a table: errors of Delta Lake and of the disk become ObjectUnavailable."""
    try:
        yield
    except (DeltaError, OSError) as error:
        raise ObjectUnavailable(f"table {uri}: {' '.join(str(error).split())}") from error


def find_table(uri: str) -> DeltaTable | None:
    """The table, if there is one; raises SettingsError if it is not one of captions."""
    if not DeltaTable.is_deltatable(uri):
        return None
    table = DeltaTable(uri)
    missing = CORE - {field.name for field in table.schema().fields}
    if missing:
        raise SettingsError(f"table {uri} lacks the columns {', '.join(sorted(missing))}; name a table of captions")
    return table


def open_table(uri: str) -> DeltaTable:
    """The table for writing, created if missing, with every column of `SCHEMA`; many processes may do so at once."""
    try:
        table = find_table(uri) or DeltaTable.create(
            uri, SCHEMA, mode="ignore", name=Path(uri).name, configuration=_CONFIGURATION
        )
        return DeltaTable(uri) if add_columns(table) else table
    except DeltaError:
        return DeltaTable(uri)


def add_columns(table: DeltaTable) -> list[str]:
    """Add the columns that joined the schema since the table was created; returns their names."""
    existing = {field.name for field in table.schema().fields}
    missing = [field for field in Schema.from_arrow(SCHEMA).fields if field.name not in existing]
    if missing:
        table.alter.add_columns(missing, commit_properties=_counted(sequence_of(table) + 1))
    return [field.name for field in missing]


def sequence_of(table: DeltaTable) -> int:
    """The number of Nightcap's commits."""
    return table.transaction_version(APPLICATION) or 0


def dataset_of(table: DeltaTable) -> ds.Dataset:
    """The table's rows, with `SCHEMA` and the columns that others have added."""
    dataset = table.to_pyarrow_dataset()
    missing = [field for field in SCHEMA if field.name not in dataset.schema.names]
    return dataset.replace_schema(pa.schema([*dataset.schema, *missing])) if missing else dataset


def batches_of(
    dataset: ds.Dataset, condition: ds.Expression | None = None, columns: list[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Rows in the table's order, few of them in memory at once."""
    reader = dataset.scanner(columns, condition, BATCH_ROWS, batch_readahead=2, fragment_readahead=1)
    return iter(reader.to_batches())


def commit(
    uri: str, table: DeltaTable, batches: Iterable[pa.RecordBatch], mode: Literal["append", "overwrite"], sequence: int
) -> int | None:
    """Write rows and commit them; returns their number, or None if somebody else committed first.

    Appending nothing commits nothing. After any other failure, such as a full disk, the files are removed again.

    Args:
        uri: path of the table.
        table: the state that the caller read; if there is a newer one, nothing is committed.
        batches: with `SCHEMA`; `sequence` is set on rows that have none.
        mode: `overwrite` removes all other rows.
        sequence: one more than the state's, or for the current table the history's.
    """
    try:
        staged = _stage(Path(uri), batches, sequence)
    except FileNotFoundError:
        if DeltaTable(uri).version() == table.version():
            raise
        return None  # the number was taken meanwhile, and the files were swept away as a dead attempt's
    if mode == "append" and not staged.rows:
        return 0
    return staged.rows if _add_to_log(uri, table, staged, mode, sequence) else None


def orphaned_files(uri: str) -> list[Path]:
    """Files of attempts that can never be committed, because their number is taken."""
    table = DeltaTable(uri)
    sequence, folder = sequence_of(table), Path(uri)
    named = {Path(path).name for path in (*table.file_uris(), *table.vacuum(0, enforce_retention_duration=False))}
    unnamed = ((path, _OURS.fullmatch(path.name)) for path in folder.iterdir() if path.name not in named)
    return [path for path, ours in unnamed if ours and int(ours[1]) <= sequence]


def _stage(folder: Path, batches: Iterable[pa.RecordBatch], sequence: int) -> Staged:
    actions: list[AddAction] = []
    rows = 0
    try:
        for file in _files(batches):
            path = folder / f"part-{sequence:010d}-{uuid4().hex}.parquet"
            actions.append(AddAction(path.name, 0, {}, 0, True, ""))  # so that a failure removes it
            metadata = _write(path, file, sequence)
            rows += metadata.num_rows
            actions[-1] = _action(path, metadata)
    except BaseException:
        _discard(folder, actions)
        raise
    return Staged(actions, rows)


def _files(batches: Iterable[pa.RecordBatch]) -> Iterator[Iterator[pa.Table]]:
    """The rows of each file, in groups; read all of a file before the next."""
    groups = _groups(batches)
    for first in groups:
        yield _up_to(first, groups)


def _up_to(first: pa.Table, groups: Iterator[pa.Table]) -> Iterator[pa.Table]:
    rows = len(first)
    yield first
    while rows < FILE_ROWS and (group := next(groups, None)) is not None:
        rows += len(group)
        yield group


def _groups(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        if len(batch):
            waiting.append(batch)
            rows += len(batch)
        if rows >= GROUP_ROWS:
            yield pa.Table.from_batches(waiting)
            waiting, rows = [], 0
    if waiting:
        yield pa.Table.from_batches(waiting)


def _write(path: Path, groups: Iterator[pa.Table], sequence: int) -> pq.FileMetaData:
    with path.open("xb") as file:
        first = next(groups)
        with pq.ParquetWriter(file, first.schema, compression="zstd") as writer:
            writer.write_table(_numbered(first, sequence))
            for group in groups:
                writer.write_table(_numbered(group, sequence))
        file.flush()
        os.fsync(file.fileno())
    return pq.read_metadata(path)


def _numbered(rows: pa.Table, sequence: int) -> pa.Table:
    """The rows, with the commit's sequence where they have none."""
    column = rows.schema.get_field_index("sequence")
    return rows.set_column(column, rows.schema.field(column), rows["sequence"].fill_null(sequence))


def _action(path: Path, metadata: pq.FileMetaData) -> AddAction:
    """A file's entry for the log, without minimum and maximum values, as these are names of images.

    Readers find them in the file itself. A log that has them of some columns only would hide rows from
    `to_pyarrow_dataset`, which takes a missing value for null.
    """
    status = path.stat()
    statistics = json.dumps({"numRecords": metadata.num_rows})
    return AddAction(path.name, status.st_size, {}, int(status.st_mtime * 1000), True, statistics)


def _add_to_log(uri: str, table: DeltaTable, staged: Staged, mode: str, sequence: int) -> bool:
    """Add the files to the log; returns False, and removes the files, if somebody else committed first."""
    try:
        schema = SCHEMA if mode == "append" else dataset_of(table).schema
        table.create_write_transaction(staged.actions, mode, schema, commit_properties=_counted(sequence))
    except BaseException as error:
        latest = DeltaTable(uri)
        named = {Path(path).name for path in latest.file_uris()}
        if any(action.path in named for action in staged.actions):  # the failure came after the commit
            if not isinstance(error, Exception):
                raise
            log.warning("table %s: %s", uri, error)
            return True
        _discard(Path(uri), staged.actions)
        if isinstance(error, DeltaError) and latest.version() != table.version():
            return False
        raise
    return True


def _discard(folder: Path, actions: list[AddAction]) -> None:
    for action in actions:
        with suppress(OSError):
            (folder / action.path).unlink(missing_ok=True)


def _counted(sequence: int) -> CommitProperties:
    return CommitProperties(app_transactions=[Transaction(APPLICATION, sequence)], max_commit_retries=0)
