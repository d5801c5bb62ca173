"""Checkpoints: all that a training needs to go on, in a folder that gets its name only when it is complete."""

from __future__ import annotations

import logging
import os
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.storage.files import creating_folder, digest_of, read_json, sha256_file, write_json

log = logging.getLogger(__name__)

KEEP = 2
VARIABLES, PROGRESS = "variables.npz", "progress.json"
_PATTERN = "epoch-*-step-*"


class Position(NamedTuple):
    """How far a training has come: epochs done, and steps done of the next one."""

    epoch: int
    step: int

    @property
    def name(self) -> str:
        """The checkpoint's folder; folders sort by it."""
        return f"epoch-{self.epoch:04d}-step-{self.step:07d}"


def save_checkpoint(
    root: Path, position: Position, variables: Sequence[Any], progress: dict[str, Any], kept: Path | None
) -> None:
    """Write a checkpoint, with the file of the weights kept so far, then remove all but it and the one before it."""
    target = root / position.name
    shutil.rmtree(target, ignore_errors=True)  # a damaged one may lie there
    with creating_folder(target, is_synced=False) as folder:  # one that a power cut cuts short is refused
        arrays = {f"{index:04d}": np.asarray(variable) for index, variable in enumerate(variables)}
        np.savez(folder / VARIABLES, allow_pickle=False, **arrays)
        if kept is not None:
            _link(kept, folder / kept.name)  # it may be replaced later, but not be written to
        files = {path.name: sha256_file(path) for path in folder.iterdir()}
        write_json(folder / PROGRESS, {"progress": progress, "files": files, "sha256": digest_of([progress, files])})
    others = [folder for folder in _newest_first(root) if folder != target]
    before = [folder for folder in others if folder.name < position.name]
    for folder in set(others) - set(before[: KEEP - 1]):  # whatever is newer was refused
        shutil.rmtree(folder, ignore_errors=True)


def restore_checkpoint(root: Path, variables: Sequence[Any], kept: Path) -> dict[str, Any] | None:
    """Restore variables and the file of kept weights from the newest whole checkpoint: its progress, or None."""
    for unfinished in root.glob(f".{_PATTERN}"):  # of a process that was killed while it wrote
        shutil.rmtree(unfinished, ignore_errors=True)
    for folder in _newest_first(root):
        try:
            return _restore_one(folder, variables, kept)
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            log.warning("checkpoint %s is damaged (%s); taking the one before it", folder.name, error)
    return None


def _restore_one(folder: Path, variables: Sequence[Any], kept: Path) -> dict[str, Any]:
    stored = read_json(folder / PROGRESS)
    progress, files = stored["progress"], stored["files"]
    if stored["sha256"] != digest_of([progress, files]):
        raise ValueError(f"{PROGRESS} does not match its digest")
    for name, digest in files.items():
        if sha256_file(folder / name) != digest:
            raise ValueError(f"{name} does not match its digest")
    with np.load(folder / VARIABLES, allow_pickle=False) as arrays:
        values = [arrays[name] for name in sorted(arrays.files)]
    if [_kind(value) for value in values] != [_kind(variable) for variable in variables]:
        raise ValueError("its variables have other shapes than this training's")
    kept.unlink(missing_ok=True)
    if kept.name in files:
        _link(folder / kept.name, kept)
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return dict(progress)


def _kind(value: Any) -> tuple[tuple[int, ...], str]:
    return tuple(value.shape), str(np.dtype(value.dtype))


def _link(source: Path, target: Path) -> None:
    """The same file under a second name, or a copy where the file system knows no such thing."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _newest_first(root: Path) -> list[Path]:
    return sorted(root.glob(_PATTERN), reverse=True)
