"""Maintenance of the tables of captions: compaction, removal of old files, new columns."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from deltalake import DeltaTable

from pipeline.storage.tables.captions import CaptionTable
from pipeline.storage.tables.commits import FILE_ROWS, add_columns, find_table, orphaned_files, table_errors

log = logging.getLogger(__name__)

KEEP_DAYS = 7

_LOG_KEPT = "delta.logRetentionDuration"


def compact_table(table: CaptionTable) -> int:
    """Rewrite the history in as few files as its rows fill, if that saves two or more; returns how many fewer."""
    with table_errors(table.uri):
        opened = find_table(table.uri)
        if opened is None:
            return 0
        before = len(opened.file_uris())
        rows = sum(int(fragment.count_rows()) for fragment in opened.to_pyarrow_dataset().get_fragments())
        if before <= -(-rows // FILE_ROWS) + 1:
            return 0
    table.rewrite(lambda batch: batch)
    table.write_current()
    return before - len(DeltaTable(table.uri).file_uris())


def vacuum_table(table: CaptionTable, keep_days: float = KEEP_DAYS) -> int:
    """Remove files of dead attempts, and those that no version of the last days needs; returns how many."""
    return sum(_vacuum(uri, keep_days) for uri in (table.uri, table.current_uri))


def sweep(table: CaptionTable) -> None:
    """Remove files of dead attempts, which can never be committed."""
    for uri in (table.uri, table.current_uri):
        with table_errors(uri):
            _sweep(uri)


def upgrade_table(table: CaptionTable) -> list[str]:
    """Add the columns that joined the schema since the tables were created, null in old rows; returns their names."""
    added: dict[str, None] = {}
    for uri in (table.uri, table.current_uri):
        with table_errors(uri):
            opened = find_table(uri)
            added |= dict.fromkeys(add_columns(opened) if opened else [])
    return list(added)


def purge(table: CaptionTable) -> None:
    """Remove every earlier version: their files and their log."""
    for uri in (table.uri, table.current_uri):
        with table_errors(uri):
            if find_table(uri) is not None:
                _vacuum(uri, keep_days=0)
                with _no_log_kept(uri):
                    latest = DeltaTable(uri)
                    latest.create_checkpoint()
                    latest.cleanup_metadata()


def _vacuum(uri: str, keep_days: float) -> int:
    with table_errors(uri):
        opened = find_table(uri)
        if opened is None:
            return 0
        swept = _sweep(uri)
        # Never full: that would remove files that a writer at work has not yet committed.
        return swept + len(opened.vacuum(round(keep_days * 24), dry_run=False, enforce_retention_duration=False))


def _sweep(uri: str) -> int:
    orphans = orphaned_files(uri) if find_table(uri) else []
    for path in orphans:
        path.unlink(missing_ok=True)
    if orphans:
        log.info("table %s: removed %d files of dead attempts", uri, len(orphans))
    return len(orphans)


@contextmanager
def _no_log_kept(uri: str) -> Iterator[None]:
    """Let the log's past be removed at once while the block runs."""
    before = DeltaTable(uri).metadata().configuration.get(_LOG_KEPT) or "interval 30 days"
    DeltaTable(uri).alter.set_table_properties({_LOG_KEPT: "interval 0 seconds"})
    try:
        yield
    finally:
        DeltaTable(uri).alter.set_table_properties({_LOG_KEPT: before})
