"""What keeps a table small, tidy and of today's shape."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from deltalake import DeltaTable

from pipeline.storage.tables.captions import CaptionTable
from pipeline.storage.tables.commits import FILE_ROWS, add_columns, find, orphaned_files, reaching

log = logging.getLogger(__name__)

KEEP_DAYS = 7

_LOG_KEPT = "delta.logRetentionDuration"


def compact_table(table: CaptionTable) -> int:
    """Write the history into as few files as its rows fill, and tell how many files went.

    Nothing is written if there is one file more than that at most.

    Raises:
        PublishConflict: nights kept publishing first.
    """
    with reaching(table.uri):
        found = find(table.uri)
        before = len(found.file_uris()) if found else 0
        if found is None or before <= -(-_rows(found) // FILE_ROWS) + 1:
            return 0
    table.rewrite(lambda batch: batch)
    table.write_current()
    return before - len(DeltaTable(table.uri).file_uris())


def vacuum_table(table: CaptionTable, keep_days: float = KEEP_DAYS) -> int:
    """Remove files that no version of the last days needs, and those of attempts that died; tell how many."""
    return sum(_vacuum(uri, keep_days) for uri in (table.uri, table.current_uri))


def sweep(table: CaptionTable) -> None:
    """Remove what attempts that died have left; none of it can join the table any more."""
    for uri in (table.uri, table.current_uri):
        with reaching(uri):
            _sweep(uri)


def upgrade_table(table: CaptionTable) -> list[str]:
    """Add the columns that joined since the tables were made, and tell which; old rows are null there."""
    added: dict[str, None] = {}
    for uri in (table.uri, table.current_uri):
        with reaching(uri):
            found = find(uri)
            added |= dict.fromkeys(add_columns(found) if found else [])
    return list(added)


def purge(table: CaptionTable) -> None:
    """Remove every earlier version: their files, and what the log told of them."""
    for uri in (table.uri, table.current_uri):
        with reaching(uri):
            if find(uri) is not None:
                _vacuum(uri, keep_days=0)
                with _no_log_kept(uri):
                    latest = DeltaTable(uri)
                    latest.create_checkpoint()
                    latest.cleanup_metadata()


def _rows(table: DeltaTable) -> int:
    return sum(int(fragment.count_rows()) for fragment in table.to_pyarrow_dataset().get_fragments())


def _vacuum(uri: str, keep_days: float) -> int:
    with reaching(uri):
        found = find(uri)
        if found is None:
            return 0
        swept = _sweep(uri)
        # Never full: that would remove what a writer at work has written and not yet committed.
        gone = found.vacuum(round(keep_days * 24), dry_run=False, enforce_retention_duration=False)
        return swept + len(gone)


def _sweep(uri: str) -> int:
    dead = orphaned_files(uri) if find(uri) else []
    for path in dead:
        path.unlink(missing_ok=True)
    if dead:
        log.info("table %s: removed %d files of attempts that died", uri, len(dead))
    return len(dead)


@contextmanager
def _no_log_kept(uri: str) -> Iterator[None]:
    """While the log's past may be removed at once."""
    usual = DeltaTable(uri).metadata().configuration.get(_LOG_KEPT) or "interval 30 days"
    DeltaTable(uri).alter.set_table_properties({_LOG_KEPT: "interval 0 seconds"})
    try:
        yield
    finally:
        DeltaTable(uri).alter.set_table_properties({_LOG_KEPT: usual})
