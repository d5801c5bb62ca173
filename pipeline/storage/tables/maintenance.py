"""Maintenance of the tables of captions: compaction, removal of old files, new columns."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from deltalake import DeltaTable

from pipeline.storage.files import sync_file_system
from pipeline.storage.tables.captions import CaptionTable
from pipeline.storage.tables.commits import FILE_ROWS, TableChange, add_columns, commit, find_table, sequence_of
from pipeline.storage.tables.delta_log import checkpoint, table_errors
from pipeline.storage.tables.orphans import AT_WORK_DAYS, has_dead_writer, remove_orphans

log = logging.getLogger(__name__)

KEEP_DAYS = 7

_LOG_KEPT = "delta.logRetentionDuration"
_LOGGED = re.compile(r"(\d{20})\.")  # commits, checkpoints and checksums, by version


def compact_table(table: CaptionTable) -> int:
    """Rewrite the history in as few files as its rows fill, if that saves two or more; returns how many fewer.

    The current table is made to fit in any case.
    """
    with table_errors(table.uri):
        opened = find_table(table.uri)
        if opened is None:
            return 0
        before = len(opened.file_uris())
        rows = sum(int(fragment.count_rows()) for fragment in opened.to_pyarrow_dataset().get_fragments())
    if before > -(-rows // FILE_ROWS) + 1:
        table.rewrite(lambda batch: batch)
    table.write_current()
    return before - len(DeltaTable(table.uri).file_uris())


def vacuum_table(table: CaptionTable, keep_days: float = KEEP_DAYS) -> int:
    """Remove files of dead attempts, and those that no version of the last days needs; returns how many."""
    table.write_current()
    return sum(_vacuum(uri, keep_days, uri == table.uri) for uri in (table.uri, table.current_uri))


def sweep(table: CaptionTable) -> None:
    """Remove files of dead attempts, which can never be committed."""
    for uri in (table.uri, table.current_uri):
        with table_errors(uri):
            _sweep(uri, uri == table.uri)


def upgrade_table(table: CaptionTable) -> list[str]:
    """Add the columns that joined the schema since the tables were created, null in old rows; returns their names."""
    added: dict[str, None] = {}
    for uri in (table.uri, table.current_uri):
        with table_errors(uri):
            opened = find_table(uri)
            added |= dict.fromkeys(add_columns(opened) if opened else [])
    return list(added)


def purge(table: CaptionTable) -> None:
    """Remove every earlier version, their files and their log, so that no power cut brings one back."""
    for uri in (table.uri, table.current_uri):
        with table_errors(uri):
            if find_table(uri) is not None:
                _vacuum(uri, 0, uri == table.uri)
                _heal_retention(uri)
                _cut_log(uri)
                sync_file_system(Path(uri))


def _vacuum(uri: str, keep_days: float, is_history: bool) -> int:
    with table_errors(uri):
        opened = find_table(uri)
        if opened is None:
            return 0
        taken, sequence = _taken(opened, is_history), sequence_of(opened)
        if has_dead_writer(opened, taken, max(keep_days, AT_WORK_DAYS)):
            commit(uri, opened, TableChange((), (), taken + 1, sequence + is_history))
        swept = _sweep(uri, is_history)
        # Never full: that would remove files that a writer at work has not yet committed.
        return swept + len(opened.vacuum(round(keep_days * 24), dry_run=False, enforce_retention_duration=False))


def _sweep(uri: str, is_history: bool) -> int:
    table = find_table(uri)
    removed = remove_orphans(table, _taken(table, is_history)) if table else 0
    if removed:
        log.info("table %s: removed %d files of dead attempts", uri, removed)
    return removed


def _taken(table: DeltaTable, is_history: bool) -> int:
    """Files of the history bear its sequence, those of the current table its version."""
    return sequence_of(table) if is_history else table.version()


def _cut_log(uri: str) -> None:
    """Write a checkpoint of the latest version, and remove the log before it, the oldest first."""
    latest = DeltaTable(uri)
    checkpoint(latest)
    named = ((path, _LOGGED.match(path.name)) for path in sorted((Path(uri) / "_delta_log").iterdir()))
    for path, logged in named:
        if logged and int(logged[1]) < latest.version():
            path.unlink(missing_ok=True)


def _heal_retention(uri: str) -> None:
    """Let a log's past stay for a while, also where an earlier release was killed while it let the past go at once."""
    if DeltaTable(uri).metadata().configuration.get(_LOG_KEPT) in {None, "interval 0 seconds"}:
        DeltaTable(uri).alter.set_table_properties({_LOG_KEPT: "interval 30 days"})
