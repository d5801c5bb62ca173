"""Copies of folders in which others work meanwhile."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from pipeline.errors import ObjectUnavailable, TargetNotEmpty
from pipeline.files import sha256_file

LOG = "_delta_log"
_POINTER = "_last_checkpoint"  # rewritten in place, and only a hint: without it a reader lists the log
_STAGED = re.compile(r"#\d+$")  # what Delta's writers have not renamed yet


def files_of(root: Path, left_out: Collection[str] = ()) -> Iterator[str]:
    """Every plain file below a folder that a copy of it has, as a relative path.

    Hidden files and folders are scratch, and links are none of ours.

    The logs of Delta tables come first, and all of them are known before any other file is: so every file that a copied
    commit names is listed. `table_current` is looked at before `table`, so it is never ahead.

    Args:
        root: a folder; nothing comes if it is not there.
        left_out: files and folders that are passed over, relative to the root.
    """
    yield from [path for path in _walk(root, left_out) if _is_log(path)]
    yield from (path for path in _walk(root, left_out) if not _is_log(path))


def copy_folder(source: Path, target: Path, left_out: Collection[str] = (), fleeting: bool = False) -> int:
    """Copy what `files_of` names, with the times of last change, and tell how many files that were.

    Args:
        source: a folder.
        target: where its files go.
        left_out: as `files_of` has it.
        fleeting: whether files that are removed meanwhile are left out, too.

    Raises:
        ObjectUnavailable: a file was removed meanwhile, so the table or output that it belongs to would not be whole.
    """
    return sum(_copied(source / path, target / path, fleeting) for path in list(files_of(source, left_out)))


def add_folder(source: Path, target: Path, left_out: Collection[str] = ()) -> int:
    """Copy what `files_of` names to a folder that may have some of it already, each file whole or not at all.

    Raises:
        TargetNotEmpty: a file there has another content.
        ObjectUnavailable: what was written does not read back as it was.
    """
    paths = list(files_of(source, left_out))
    for path in paths:
        _add(source / path, target / path)
    return len(paths)


def _walk(root: Path, left_out: Collection[str]) -> Iterator[str]:
    for folder, folders, names in os.walk(root):
        within = Path(folder).relative_to(root)
        wanted = (name for name in folders if _is_wanted(within / name, left_out))
        folders[:] = sorted(wanted, key=lambda name: (not name.endswith("_current"), name))
        for name in sorted(names):
            path = within / name
            if _is_wanted(path, left_out) and not (root / path).is_symlink() and (root / path).is_file():
                yield str(path)


def _is_wanted(path: Path, left_out: Collection[str]) -> bool:
    odd = path.name.startswith(".") or path.name == _POINTER or _STAGED.search(path.name)
    return not odd and str(path) not in left_out


def _is_log(path: str) -> bool:
    return Path(path).parent.name == LOG


def _copied(source: Path, target: Path, fleeting: bool) -> bool:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copy2(source, target)
    except FileNotFoundError as error:
        if fleeting:
            return False
        raise ObjectUnavailable(
            f"{source} was removed while it was copied, as a vacuum, `nightcap gc` or `nightcap forget` does; begin again"
        ) from error
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
        raise TargetNotEmpty(f"{target} is there with another content than {source}; nothing is written over it")
