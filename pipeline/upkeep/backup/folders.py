"""Copies of folders in which other processes work."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from pipeline.core.errors import ObjectUnavailable, Permanent, SettingsError
from pipeline.storage.files import sha256_file

LOG = "_delta_log"
_POINTER = "_last_checkpoint"  # rewritten in place, and only a hint: without it a reader lists the log
_STAGED = re.compile(r"#\d+$")  # not renamed yet by Delta's writers


def relative_files(root: Path, left_out: Collection[str] = ()) -> Iterator[str]:
    """The relative paths of the files that a copy of a folder has, without `left_out`; none if the folder is absent.

    Hidden files and folders are scratch. Links are left out, as their targets are copied where they lie; SettingsError
    for a link out of the folder.

    All logs of Delta tables are listed before any other file, so that every file of a copied commit is listed.
    `table_current` is read before `table`, so it is never ahead.
    """
    yield from [path for path in _walk(root, left_out) if Path(path).parent.name == LOG]
    yield from (path for path in _walk(root, left_out) if Path(path).parent.name != LOG)


def every_file(root: Path) -> Iterator[str]:
    """Every file below a folder, also scratch, as a relative path; raises as `relative_files`, and for a linked folder."""
    for folder, folders, names in os.walk(root, onerror=_raise_unlisted):
        for path in (Path(folder, name) for name in folders):
            if path.is_symlink():
                raise _outside(path)
        yield from (str(Path(folder, name).relative_to(root)) for name in names)


def copy_folder(source: Path, target: Path, left_out: Collection[str] = (), fleeting: bool = False) -> int:
    """Copy `relative_files(source, left_out)` with their modification times; the number of files.

    A file that was removed meanwhile raises ObjectUnavailable, as its table or output would be incomplete, unless
    `fleeting`.
    """
    count = sum(_copied(source / path, target / path, fleeting) for path in list(relative_files(source, left_out)))
    for log in sorted(target.rglob(LOG)):
        _require_complete(log.parent, source / log.parent.relative_to(target))
    return count


def add_folder(source: Path, target: Path, paths: Iterable[str]) -> int:
    """Copy files, each atomically, to a folder that may have some of them already; the number of files."""
    names = list(paths)
    for name in names:
        _add(source / name, target / name)
    return len(names)


def _walk(root: Path, left_out: Collection[str]) -> Iterator[str]:
    for folder, folders, names in os.walk(root, onerror=_raise_unlisted):
        within = Path(folder).relative_to(root)
        folders[:] = sorted(
            (name for name in folders if _is_wanted(within / name, root, left_out)),
            key=lambda name: (not name.endswith("_current"), name),
        )
        for path in (within / name for name in sorted(names)):
            if _is_wanted(path, root, left_out) and (root / path).is_file():
                yield str(path)


def _is_wanted(path: Path, root: Path, left_out: Collection[str]) -> bool:
    is_scratch = path.name.startswith(".") or path.name == _POINTER or _STAGED.search(path.name)
    return not is_scratch and str(path) not in left_out and not _is_link(root / path, root)


def _is_link(path: Path, root: Path) -> bool:
    if path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
        raise _outside(path)
    return path.is_symlink()


def _outside(link: Path) -> SettingsError:
    return SettingsError(
        f"{link} is a link to {link.resolve()}, whose files a copy would lack; put them in the place of the link"
    )


def _raise_unlisted(error: OSError) -> None:
    """Raise the error of a folder that os.walk would skip in silence."""
    if not isinstance(error, FileNotFoundError):
        raise ObjectUnavailable(
            f"{error.filename} cannot be listed: {error.strerror}; let user {os.getuid()} read it"
        ) from error


def _require_complete(table: Path, source: Path) -> None:
    """Raise for a file that was removed between the listings of the logs and of the files, so is in neither."""
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        names = [Path(uri).name for uri in DeltaTable(str(table)).file_uris()]
    except DeltaError as error:
        raise _removed(source) from error
    lacking = [name for name in names if not (table / name).is_file()]
    if lacking:
        raise _removed(source / lacking[0])


def _removed(source: Path) -> ObjectUnavailable:
    return ObjectUnavailable(
        f"{source} was removed while it was copied, as a vacuum, `nightcap gc` or `nightcap forget` does; begin again"
    )


def _copied(source: Path, target: Path, fleeting: bool) -> bool:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copy2(source, target)
    except FileNotFoundError as error:
        if fleeting:
            return False
        raise _removed(source) from error
    return True


def _add(source: Path, target: Path) -> None:
    wanted = sha256_file(source)
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = target.with_name(f".{target.name[:80]}.added")
        shutil.copy2(source, scratch)
        if sha256_file(scratch) != wanted:
            raise ObjectUnavailable(f"{target} does not read back as it was written; check the disk")
        scratch.replace(target)
    elif sha256_file(target) != wanted:
        raise Permanent(
            f"{target} is there with another content than {source}, and nothing is written over it; if it is from a move "
            "that was stopped, remove it there, then begin again"
        )
