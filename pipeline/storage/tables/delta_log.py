"""The log of a Delta table: opened, written so that a commit is whole on disk before it has its name, and mended.

deltalake does not force what it writes to the disk. After a power cut its last files may be empty, so the commits that
count are written here, in the form of the Delta protocol (https://github.com/delta-io/delta/blob/master/PROTOCOL.md).
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction

from pipeline.core.errors import ObjectUnavailable, Permanent, SettingsError
from pipeline.core.uri_paths import plain_path
from pipeline.storage.files import create_bytes, sync_file, sync_folder, write_bytes

log = logging.getLogger(__name__)

CHECKPOINT_EVERY = 10  # commits; else opening a table reads up to a hundred

_TRIES = 5  # at a log whose files go while they are read
_COMMIT = re.compile(r"\d{20}\.json")
_CHECKPOINT = re.compile(r"\d{20}\.checkpoint\.parquet")
_HINT = "_last_checkpoint"
# What others may have switched on and a commit of ours keeps as it is.
_KEPT_FEATURES = frozenset({"appendOnly", "invariants", "timestampNtz", "changeDataFeed", "generatedColumns"})


def local_table(uri: str | Path) -> str:
    """A table's absolute path; raises SettingsError for other addresses and for paths that Delta Lake would misread."""
    if "://" in str(uri):
        raise SettingsError(f"table {str(uri)!r} is no local path; name a folder on a file system (decision 0027)")
    try:
        return plain_path(str(Path(uri).absolute()))
    except ValueError as error:
        raise SettingsError(f"table {error}, or name another") from error


@contextmanager
def table_errors(uri: str) -> Iterator[None]:
    """Around work on a table: errors of Delta Lake and of the disk become ObjectUnavailable, damage Permanent."""
    try:
        yield
    except (DeltaError, OSError, pa.ArrowInvalid) as error:
        if damage := damage_of(uri):
            raise Permanent(_described(uri, damage)) from error
        raise ObjectUnavailable(f"table {uri}: {' '.join(str(error).split())}") from error


def opened(uri: str) -> DeltaTable | None:
    """The table, if there is one, after checkpoints that a power cut left unwritten were removed.

    Raises Permanent if a commit was left so: its rows may be nowhere else. A first commit alone has none; it is removed.
    Whoever compacts or purges removes files of the log meanwhile: then it is opened again.
    """
    for _ in range(_TRIES):
        listed = _log_files(uri)
        try:
            return _opened(uri)
        except (DeltaError, OSError, Permanent):
            if _log_files(uri) >= listed:  # none has gone
                raise
    return _opened(uri)


def _opened(uri: str) -> DeltaTable | None:
    commits = _commits(uri)
    empty = [path for path in commits if not path.stat().st_size]
    if empty == commits and not any(_log(uri).glob("*.checkpoint*.parquet")):
        if rows := sorted(Path(uri).glob("part-*.parquet")):
            raise Permanent(_described(uri, empty or [_log(uri)]) + f"; {len(rows)} files with rows are there")
        for path in empty:  # the first of a table without a row
            path.unlink()
        return None
    if damage := [path for path in empty if path in _needed(uri)]:
        raise Permanent(_described(uri, damage))
    try:
        return DeltaTable(uri)
    except DeltaError:
        if not remove_damaged_checkpoints(uri):
            raise
    return DeltaTable(uri)


def damage_of(uri: str) -> list[Path]:
    """What is empty or cut of the log; else files of the table that are gone or have not the size that the log tells."""
    try:
        return damaged_commits(uri) or damaged_checkpoints(uri) or damaged_files(DeltaTable(uri))
    except (DeltaError, OSError):
        return []


def damaged_commits(uri: str) -> list[Path]:
    """Commits that are needed and are empty or cut."""
    return [path for path in _needed(uri) if not is_whole(path)]


def damaged_checkpoints(uri: str) -> list[Path]:
    """Checkpoints that are empty or cut, unless a later one is whole."""
    damaged = [path for path in _checkpoints(uri) if not is_whole(path)]
    covered = [path.name for path in _checkpoints(uri) if path not in damaged]
    return [path for path in damaged if path.name > max(covered, default="")]


def damaged_files(table: DeltaTable) -> list[Path]:
    """Files of the table that are gone or have not the size that the log tells."""
    return [path for path, size in sizes_of(table).items() if not path.is_file() or path.stat().st_size != size]


def folder_of(table: DeltaTable) -> Path:
    """Where a table lies."""
    return Path(unquote(table.table_uri.removeprefix("file://")))


def sizes_of(table: DeltaTable) -> dict[Path, int]:
    """The files of a table and their bytes."""
    actions, folder = pa.table(table.get_add_actions(flatten=True)), folder_of(table)
    paths = (folder / path for path in actions["path"].to_pylist())
    return dict(zip(paths, actions["size_bytes"].to_pylist(), strict=True))


def write_commit(
    table: DeltaTable, added: Iterable[AddAction], removed: Collection[str], transactions: Mapping[str, int]
) -> bool:
    """Commit files of a table right after the version that was read; False if somebody else did.

    The commit is on the disk before anybody sees it. `removed` names files of the table; `transactions` gives the
    version of each application. Raises SettingsError for a table with features that such a commit does not keep.
    """
    _require_plain(table)
    folder, version, now = _log(folder_of(table)), table.version() + 1, round(time.time() * 1000)
    actions = [
        {"commitInfo": {"timestamp": now, "operation": "WRITE", "operationParameters": {}, "engineInfo": "nightcap"}},
        *({"add": _added(each, now)} for each in added),
        *({"remove": _removed(path, size, now)} for path, size in sizes_of(table).items() if path.name in removed),
        *({"txn": {"appId": name, "version": number, "lastUpdated": now}} for name, number in transactions.items()),
    ]
    path = folder / f"{version:020d}.json"
    try:
        if not create_bytes(path, "".join(f"{json.dumps(each)}\n" for each in actions).encode()):
            return False
    except FileNotFoundError:
        if path.exists():  # and whoever came first has swept away the scratch file
            return False
        raise
    return True


def checkpoint(table: DeltaTable) -> None:
    """Write a checkpoint, force it to the disk, and let go of commits that are older than the table keeps."""
    table.create_checkpoint()
    folder = _log(folder_of(table))
    sync_file(folder / f"{table.version():020d}.checkpoint.parquet")
    sync_folder(folder)
    table.cleanup_metadata()


def sync_log(uri: str | Path) -> None:
    """Force the last commit to the disk, as deltalake does not."""
    commits = [*_commits(uri)]
    for path in commits[-1:]:
        sync_file(path)
    sync_folder(_log(uri))
    sync_folder(Path(uri))


def blank_commit(path: Path, first: Path) -> None:
    """Put a commit without rows in the place of a damaged one; `first` is one that begins a table."""
    empty = {"commitInfo": {"timestamp": round(time.time() * 1000), "operation": "REPAIR", "engineInfo": "nightcap"}}
    write_bytes(path, first.read_bytes() if path.name == first.name else f"{json.dumps(empty)}\n".encode())


def scratch_commits(table: DeltaTable) -> list[Path]:
    """Unfinished files of commits whose version is taken."""
    scratch = _log(folder_of(table)).glob(".*.json.*")
    return [path for path in scratch if path.name[1:21].isdecimal() and int(path.name[1:21]) <= table.version()]


def _require_plain(table: DeltaTable) -> None:
    protocol = table.protocol()
    features = {*(protocol.writer_features or ()), *(protocol.reader_features or ())} - _KEPT_FEATURES
    if features or table.metadata().partition_columns:
        raise SettingsError(
            f"table {table.table_uri} has partitions or features that Nightcap does not write: "
            f"{', '.join(sorted([*features, *table.metadata().partition_columns]))}; name another table"
        )


def _added(action: AddAction, now: int) -> dict[str, Any]:
    return {
        "path": action.path,
        "partitionValues": {},
        "size": action.size,
        "modificationTime": now,
        "dataChange": True,
        "stats": action.stats,
    }


def _removed(path: Path, size: int, now: int) -> dict[str, Any]:
    return {
        "path": path.name,
        "deletionTimestamp": now,
        "dataChange": True,
        "extendedFileMetadata": True,
        "partitionValues": {},
        "size": size,
    }


def _described(uri: str, damage: list[Path]) -> str:
    names = ", ".join(str(path.relative_to(uri)) for path in damage[:3])
    return (
        f"table {uri}: {len(damage)} of its files are gone, empty or cut ({names}), as after a power cut; put them back "
        f"from a backup, or run `nightcap tables repair`, which says what is lost (--table or --corrections names a table "
        f"that is not the home's own)"
    )


def _log(uri: str | Path) -> Path:
    return Path(uri) / "_delta_log"


def _log_files(uri: str) -> frozenset[str]:
    return frozenset(path.name for path in _log(uri).glob("*"))


def _commits(uri: str | Path) -> list[Path]:
    return sorted(path for path in _log(uri).glob("*.json") if _COMMIT.fullmatch(path.name))


def _needed(uri: str) -> list[Path]:
    """Commits after the last whole checkpoint."""
    covered = [int(path.name[:20]) for path in _checkpoints(uri) if is_whole(path)]
    return [path for path in _commits(uri) if int(path.name[:20]) > max(covered, default=-1)]


def _checkpoints(uri: str) -> list[Path]:
    return sorted(path for path in _log(uri).glob("*.checkpoint*.parquet") if _CHECKPOINT.fullmatch(path.name))


def is_whole(path: Path) -> bool:
    """Whether a commit or a Parquet file is neither empty nor cut."""
    try:
        if path.suffix == ".parquet":
            return bool(pq.read_metadata(path).num_rows)
        lines = path.read_bytes().splitlines()
        return bool([json.loads(line) for line in lines if line.strip()])
    except (ValueError, FileNotFoundError):  # pa.ArrowInvalid is a ValueError
        return False


def remove_damaged_checkpoints(uri: str) -> bool:
    """Remove checkpoints that are empty or cut, if the commits that they stand for are all here; whether any were."""
    damaged = [path for path in _checkpoints(uri) if not is_whole(path)]
    needed = [int(path.name[:20]) for path in _needed(uri)]
    is_complete = needed == list(range(needed[0], needed[0] + len(needed))) if needed else True
    covered = [int(path.name[:20]) for path in _checkpoints(uri) if path not in damaged]
    if not damaged or not is_complete or (needed and needed[0] != max(covered, default=-1) + 1):
        return False
    for path in (*damaged, _log(uri) / _HINT):
        log.warning("%s is removed: the checkpoint was empty or cut, and the commits before it are here", path)
        path.unlink(missing_ok=True)
    return True
