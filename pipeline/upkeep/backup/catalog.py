"""The shelf of backups: complete folders, each named by the time it was made.

2026-11-24T020000Z/
    backup.json     its format
    SHA256SUMS      digests of all the other files; `sha256sum -c SHA256SUMS` checks it without Nightcap
    databases/      what pg_dump wrote
    buckets/        objects as files
    volumes/        folders
.partial/           a backup that is being made, or was stopped
.lock               held by the process that works in .partial
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.core.errors import Permanent, SettingsError
from pipeline.core.uri_paths import plain_path
from pipeline.storage.files import read_json, sha256_file, write_bytes, write_json
from pipeline.upkeep.backup.folders import every_file

_FORMAT = 1
PARTIAL, LOCK = ".partial", ".lock"
FACTS, BACKUP_SUMS = "backup.json", "SHA256SUMS"
DUMPS = ("airflow.dump", "mlflow.dump")
NAME = "%Y-%m-%dT%H%M%SZ"
_NAMED = re.compile(r"\d{4}-\d\d-\d\dT\d{6}Z")


@dataclass(frozen=True)
class Shelf:
    """A folder of backups."""

    root: Path

    @property
    def partial(self) -> Path:
        """Where the next backup is made."""
        return self.root / PARTIAL

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the shelf's lock, as infra/backup/databases.sh does; SettingsError if it is held or not writable."""
        if not os.access(self.root, os.W_OK | os.X_OK):
            raise SettingsError(
                f"{self.root} is no folder that user {os.getuid()} may write; make it, and give it to that user"
            )
        with (self.root / LOCK).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise SettingsError(
                    f"another backup is being made in {self.root}; begin this one when that has ended"
                ) from error
            yield

    def begin(self) -> Path:
        """An empty folder for the next backup; the rest of a stopped one is removed, or SettingsError raised.

        Delta Lake must open the copied tables, so SettingsError refuses a path that it would misread, too.
        """
        try:
            plain_path(str(self.partial.absolute()))
        except ValueError as error:
            raise SettingsError(f"folder of backups: {error}, or name another") from error
        try:
            shutil.rmtree(self.partial)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise SettingsError(
                f"{self.partial}, the rest of a stopped backup, cannot be removed: {error}; remove it yourself"
            ) from error
        self.partial.mkdir(mode=0o700)
        return self.partial

    def require_dumps(self) -> None:
        """Raise Permanent if a database's dump is missing."""
        lacking = [name for name in DUMPS if not (self.partial / "databases" / name).is_file()]
        if lacking:
            raise Permanent(f"{self.partial} lacks {', '.join(lacking)}; begin the backup anew")

    def finish(self, facts: dict[str, Any], now: datetime | None = None) -> Path:
        """Write `backup.json` with further `facts` and the digests, sync the disk, and give the backup its name."""
        self.require_dumps()
        made = now or datetime.now(UTC)
        write_json(self.partial / FACTS, {**facts, "format": _FORMAT, "made_at": made.isoformat(timespec="seconds")})
        write_bytes(self.partial / BACKUP_SUMS, b"".join(_lines(self.partial)))
        os.sync()
        return self.partial.rename(self.root / made.strftime(NAME))

    def names(self) -> list[str]:
        """The backups, the oldest first."""
        return sorted(path.name for path in self.root.glob("*") if _NAMED.fullmatch(path.name))

    def choose(self, name: str) -> Path:
        """A backup by its name, or the newest; SettingsError if there is none."""
        names = self.names()
        chosen = name or next(reversed(names), "")
        if chosen not in names:
            present = f"there are {', '.join(names)}" if names else "there is none"
            raise SettingsError(f"no backup {chosen!r} in {self.root}; {present}")
        return self.root / chosen


def check_backup(backup: Path) -> None:
    """Raise Permanent if files are missing, altered or not listed, or the format is unknown."""
    if not (backup / BACKUP_SUMS).is_file():
        raise Permanent(f"backup {backup} has no {BACKUP_SUMS}, so nothing shows that it is complete; use another")
    lines = os.fsdecode((backup / BACKUP_SUMS).read_bytes()).removesuffix("\n").split("\n")
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    present = set(every_file(backup)) - {BACKUP_SUMS}
    faults = {"missing": sums.keys() - present, "not listed": present - sums.keys()}
    faults["altered"] = {name for name in sums.keys() & present if sha256_file(backup / name) != sums[name]}
    damage = [f"{len(names)} {fault}, such as {min(names)}" for fault, names in faults.items() if names]
    if damage:
        raise Permanent(f"backup {backup} is damaged: of its files {'; '.join(damage)}; use another")
    form = read_json(backup / FACTS)["format"]
    if form != _FORMAT:
        raise Permanent(f"backup {backup} has format {form}, this Nightcap reads {_FORMAT}; use the one that made it")


def _lines(root: Path) -> Iterator[bytes]:
    for name in sorted(every_file(root)):
        if "\n" in name:
            raise Permanent(f"{name!r} has a line break in its name, which {BACKUP_SUMS} cannot list; rename the file")
        yield os.fsencode(f"{sha256_file(root / name)}  {name}\n")
