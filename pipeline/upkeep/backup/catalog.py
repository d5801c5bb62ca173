"""Backups on a shelf: folders that are whole, each named by when it was made.

2026-11-24T020000Z/
    backup.json     its format
    SHA256SUMS      digests of all the other files; `sha256sum -c SHA256SUMS` checks it without Nightcap
    databases/      what pg_dump wrote
    buckets/        objects as files
    volumes/        folders
.partial/           one that is being made, or whose maker was stopped
.lock               held by what works in .partial
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
    """A folder of backups.

    Attributes:
        root: the folder.
    """

    root: Path

    @property
    def partial(self) -> Path:
        """Where the next backup is made."""
        return self.root / PARTIAL

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While nobody else makes a backup here; infra/backup/databases.sh asks for the same.

        Raises:
            SettingsError: the shelf is no folder that this user may write, or another backup is being made.
        """
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
        """An empty folder for the next backup; what was left of one that was stopped goes.

        Raises:
            SettingsError: what was left cannot be removed.
        """
        try:
            shutil.rmtree(self.partial)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise SettingsError(
                f"{self.partial}, which is of a backup that was stopped, cannot be removed: {error}; remove it yourself"
            ) from error
        self.partial.mkdir(mode=0o700)
        return self.partial

    def require_dumps(self) -> None:
        """Raise Permanent if the databases are not there."""
        lacking = [name for name in DUMPS if not (self.partial / "databases" / name).is_file()]
        if lacking:
            raise Permanent(f"{self.partial} lacks {', '.join(lacking)}; begin the backup anew")

    def finish(self, facts: dict[str, Any], now: datetime | None = None) -> Path:
        """Write the digests, let everything reach the disk, and give the backup its name.

        Args:
            facts: what else `backup.json` says.
            now: in UTC.

        Raises:
            Permanent: the databases are not there, or a file's name cannot be listed.
        """
        self.require_dumps()
        made = now or datetime.now(UTC)
        write_json(self.partial / FACTS, {**facts, "format": _FORMAT, "made_at": made.isoformat(timespec="seconds")})
        write_bytes(self.partial / BACKUP_SUMS, b"".join(_lines(self.partial)))
        os.sync()
        return self.partial.rename(self.root / made.strftime(NAME))

    def choose(self, name: str) -> Path:
        """A backup by its name, or the newest.

        Raises:
            SettingsError: there is none.
        """
        known = sorted(path.name for path in self.root.glob("*") if _NAMED.fullmatch(path.name))
        chosen = name or next(reversed(known), "")
        if chosen not in known:
            told = f"there are {', '.join(known)}" if known else "there is none"
            raise SettingsError(f"no backup {chosen!r} in {self.root}; {told}")
        return self.root / chosen


def check_backup(backup: Path) -> None:
    """Compare every file with the digest that was written when the backup was made.

    Raises:
        Permanent: files are missing, were altered or joined, or the format is not known.
    """
    if not (backup / BACKUP_SUMS).is_file():
        raise Permanent(f"backup {backup} has no {BACKUP_SUMS}, so nothing shows that it is whole; use another")
    lines = os.fsdecode((backup / BACKUP_SUMS).read_bytes()).removesuffix("\n").split("\n")
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    found = set(_files(backup)) - {BACKUP_SUMS}
    odd = {"missing": sums.keys() - found, "not listed": found - sums.keys()}
    odd["altered"] = {name for name in sums.keys() & found if sha256_file(backup / name) != sums[name]}
    told = [f"{len(names)} {what}, such as {min(names)}" for what, names in odd.items() if names]
    if told:
        raise Permanent(f"backup {backup} is damaged: of its files {'; '.join(told)}; use another")
    form = read_json(backup / FACTS)["format"]
    if form != _FORMAT:
        raise Permanent(f"backup {backup} has format {form}, this Nightcap reads {_FORMAT}; use the one that made it")


def _lines(root: Path) -> Iterator[bytes]:
    for name in _files(root):
        if "\n" in name:
            raise Permanent(f"{name!r} has a line break in its name, which {BACKUP_SUMS} cannot list; rename the file")
        yield os.fsencode(f"{sha256_file(root / name)}  {name}\n")


def _files(root: Path) -> list[str]:
    return sorted(every_file(root))
