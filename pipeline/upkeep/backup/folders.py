"""Copies of folders in which others work meanwhile."""

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
_STAGED = re.compile(r"#\d+$")  # what Delta's writers have not renamed yet


def relative_files(root: Path, left_out: Collection[str] = ()) -> Iterator[str]:
    """Every plain file below a folder that a copy of it has, as a relative path.

    Hidden files and folders are scratch, and a link is left out, because what it leads to is copied where it lies.

    The logs of Delta tables come first, and all of them are known before any other file is: so every file that a copied
    commit names is listed. `table_current` is looked at before `table`, so it is never ahead.

    Args:
        root: a folder; nothing comes if it is not there.
        left_out: files and folders that are passed over, relative to the root.

    Raises:
        ObjectUnavailable: a folder cannot be listed.
        SettingsError: a link leads out of the root.
    """
    yield from [path for path in _walk(root, left_out) if _is_log(path)]
    yield from (path for path in _walk(root, left_out) if not _is_log(path))


def every_file(root: Path) -> Iterator[str]:
    """Every file below a folder, also what `relative_files` takes for scratch, as a relative path.

    Raises:
        ObjectUnavailable: a folder cannot be listed.
        SettingsError: a link stands for a folder.
    """
    for folder, folders, names in os.walk(root, onerror=_told):
        for path in (Path(folder, name) for name in folders):
            if path.is_symlink():
                raise _led_away(path)
        yield from (str(Path(folder, name).relative_to(root)) for name in names)


def copy_folder(source: Path, target: Path, left_out: Collection[str] = (), fleeting: bool = False) -> int:
    """Copy what `relative_files` names, with the times of last change, and tell how many files that were.

    Args:
        source: a folder.
        target: where its files go.
        left_out: as `relative_files` has it.
        fleeting: whether files that are removed meanwhile are left out, too.

    Raises:
        ObjectUnavailable: a file was removed meanwhile, so the table or output that it belongs to would not be whole;
            or a folder cannot be listed.
        SettingsError: a link leads out of the source.
    """
    count = sum(_copied(source / path, target / path, fleeting) for path in list(relative_files(source, left_out)))
    for log in sorted(target.rglob(LOG)):
        _require_whole(log.parent, source / log.parent.relative_to(target))
    return count


def add_folder(source: Path, target: Path, paths: Iterable[str]) -> int:
    """Copy files to a folder that may have some of them already, each atomically, and tell how many they are.

    Args:
        source: a folder.
        target: where its files go.
        paths: of the files, relative to the source.

    Raises:
        Permanent: a file there has another content.
        ObjectUnavailable: what was written does not read back as it was.
    """
    names = list(paths)
    for name in names:
        _add(source / name, target / name)
    return len(names)


def _walk(root: Path, left_out: Collection[str]) -> Iterator[str]:
    for folder, folders, names in os.walk(root, onerror=_told):
        within = Path(folder).relative_to(root)
        folders[:] = sorted(
            (name for name in folders if _is_wanted(within / name, root, left_out)),
            key=lambda name: (not name.endswith("_current"), name),
        )
        for path in (within / name for name in sorted(names)):
            if _is_wanted(path, root, left_out) and (root / path).is_file():
                yield str(path)


def _is_wanted(path: Path, root: Path, left_out: Collection[str]) -> bool:
    odd = path.name.startswith(".") or path.name == _POINTER or _STAGED.search(path.name)
    return not odd and str(path) not in left_out and not _is_link(root / path, root)


def _is_link(path: Path, root: Path) -> bool:
    if path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
        raise _led_away(path)
    return path.is_symlink()


def _led_away(link: Path) -> SettingsError:
    return SettingsError(
        f"{link} is a link to {link.resolve()}, whose files a copy would lack; put them in the place of the link"
    )


def _told(error: OSError) -> None:
    """What os.walk would pass over in silence."""
    if not isinstance(error, FileNotFoundError):
        raise ObjectUnavailable(
            f"{error.filename} cannot be listed: {error.strerror}; let user {os.getuid()} read it"
        ) from error


def _require_whole(table: Path, source: Path) -> None:
    """A file that was removed between the look at the logs and that at the files was in neither list."""
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


def _is_log(path: str) -> bool:
    return Path(path).parent.name == LOG


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
