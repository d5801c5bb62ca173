"""Files that dead writers left in the folder of a table, with rows that no version of it has."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from pathlib import Path

from deltalake import DeltaTable

from pipeline.storage.tables.commits import names_of, number_of
from pipeline.storage.tables.delta_log import folder_of, scratch_commits

# Corrections had no number once, and were written under the name of a scratch file.
_OURS = re.compile(r"part-(\d+-)?[0-9a-f]{32}\.parquet|\.part-[0-9a-f]{32}\.parquet\..+")
AT_WORK_DAYS = 1.0  # the longest that a writer may take, unless it was stopped


def unnamed_files(table: DeltaTable) -> list[Path]:
    """Files of ours that no version of the table names."""
    named = names_of(table) | {Path(path).name for path in table.vacuum(0, enforce_retention_duration=False)}
    return sorted(path for path in folder_of(table).iterdir() if _OURS.fullmatch(path.name) and path.name not in named)


def remove_orphans(table: DeltaTable, taken: int, days: float = AT_WORK_DAYS) -> int:
    """Remove files that can never be committed, because their number is taken; returns how many.

    One without a number goes once it is older than some days.
    """
    numbered = [(path, number_of(path.name)) for path in unnamed_files(table)]
    orphans = [path for path, number in numbered if (_is_old(path, days) if number is None else number <= taken)]
    orphans += scratch_commits(table)
    for path in orphans:
        path.unlink(missing_ok=True)
    return len(orphans)


def has_dead_writer(table: DeltaTable, taken: int, days: float) -> bool:
    """Whether a file of the next number is older than some days, so that a commit has to take the number.

    Removed alone, the file could still be committed, by a writer that was merely stopped.
    """
    return any((number_of(path.name) or 0) > taken and _is_old(path, days) for path in unnamed_files(table))


def _is_old(path: Path, days: float) -> bool:
    with suppress(FileNotFoundError):
        return path.stat().st_mtime <= time.time() - days * 86_400
    return False
