"""A running stack's backup, in an order in which no part refers to a missing one; and its restore.

    nights and captions -> promotion journal -> databases -> MLflow's artifacts -> outputs of stages

References are copied before their targets: a caption's version is in the registry, the journal's champion in the dump,
and a version's artifacts and snapshot were written before it was registered. pg_dump writes the databases between
`begin` and `finish`, in PostgreSQL's own image.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from pathlib import Path

from pipeline.core.environment import Home
from pipeline.core.errors import Permanent
from pipeline.storage.files import read_json
from pipeline.upkeep.backup.bucket import Bucket
from pipeline.upkeep.backup.catalog import FACTS, Shelf, check_backup
from pipeline.upkeep.backup.folders import add_folder, copy_folder, every_file, relative_files

JOURNAL, ARTIFACTS, _IMAGES = "promotions", "mlflow", "pictures"
# Computed again where missing.
ANEW = ("cache", "store/features", "store/unfinished")
# A cursor says that the table has all images before its day, so it is never of later than the table; nor is the note of
# a place. Those beside the nights are hidden, and need naming; the others lie where a home is written by its nights.
_EARLY = ("places", "store/cursors", "store/last_known", "store/nights", "store/nights/.places")


def begin_backup(home: Home, shelf: Shelf) -> None:
    """Copy what refers to the databases: nights, captions and the promotion journal."""
    with shelf.alone():
        partial = shelf.begin()
        copy_early(home.root, _kept(partial, home.root))
        copy_folder(home.captions.parent, _kept(partial, home.captions.parent))
        Bucket(f"s3://{JOURNAL}").save(partial / "buckets" / JOURNAL)


def copy_early(home: Path, target: Path) -> None:
    """Copy what nights wrote into a home, and must not be of later than the table."""
    for each in _EARLY:
        copy_folder(home / each, target / each, fleeting=True)


def finish_backup(home: Home, shelf: Shelf, images: bool) -> Path:
    """Copy the targets of the databases' references, with `images` also bucket `pictures`; the named backup."""
    with shelf.alone():
        shelf.require_dumps()
        buckets = shelf.partial / "buckets"
        Bucket(f"s3://{ARTIFACTS}").save(buckets / ARTIFACTS)
        if images:
            Bucket(f"s3://{_IMAGES}").save(buckets / _IMAGES, fleeting=True)
        copy_folder(home.root, _kept(shelf.partial, home.root), (*ANEW, *_EARLY))
        return shelf.finish({"nightcap": importlib.metadata.version("nightcap"), "pictures": images})


def require_restorable(home: Home, backup: Path) -> None:
    """Check a backup's files, and that volumes and buckets are empty; raises Permanent."""
    check_backup(backup)
    for folder in (home.root, home.captions.parent):
        _require_empty(str(folder), relative_files(folder, ANEW))
    for name in _buckets(backup):
        _require_empty(f"s3://{name}", Bucket(f"s3://{name}").names())


def restore_backup(home: Home, backup: Path) -> None:
    """Write a backup's objects and folders, each file read back."""
    for name in _buckets(backup):
        kept = backup / "buckets" / name
        Bucket(f"s3://{name}").add(kept, every_file(kept))
    for folder in (home.root, home.captions.parent):
        kept = _kept(backup, folder)
        add_folder(kept, folder, every_file(kept))


def _kept(backup: Path, folder: Path) -> Path:
    return backup / "volumes" / folder.name


def _buckets(backup: Path) -> tuple[str, ...]:
    return (JOURNAL, ARTIFACTS, _IMAGES) if read_json(backup / FACTS)["pictures"] else (JOURNAL, ARTIFACTS)


def _require_empty(place: str, names: Iterator[str]) -> None:
    first = next(names, None)
    if first is not None:
        raise Permanent(
            f"{place} holds {first}; a backup is restored only where there is nothing: before the stack's first start, or "
            "after `docker compose --profile '*' down --volumes`, which removes all there is"
        )
