"""Checkpoints: written to a new place, named only when whole."""

from __future__ import annotations

import logging
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.files import read_json, sha256_file, whole_folder, write_json

log = logging.getLogger(__name__)

KEEP = 2


def save(root: Path, epoch: int, variables: Sequence[Any], progress: dict[str, Any]) -> None:
    """Write `epoch-NNNN/` with every variable and the progress so far; older ones but one are removed."""
    target = root / f"epoch-{epoch:04d}"
    shutil.rmtree(target, ignore_errors=True)  # a damaged one may lie there
    with whole_folder(target) as folder:
        arrays = {f"{index:04d}": np.asarray(variable) for index, variable in enumerate(variables)}
        np.savez(folder / "variables.npz", allow_pickle=False, **arrays)
        write_json(folder / "progress.json", progress | {"sha256": sha256_file(folder / "variables.npz")})
    for old in _newest_first(root)[KEEP:]:
        shutil.rmtree(old)


def restore(root: Path, variables: Sequence[Any]) -> dict[str, Any] | None:
    """Put the newest whole checkpoint into the variables.

    Returns:
        Its progress, or None when there is no usable checkpoint.
    """
    for folder in _newest_first(root):
        try:
            return _restore_one(folder, variables)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            log.warning("checkpoint %s is damaged (%s); taking the one before it", folder.name, error)
    return None


def _restore_one(folder: Path, variables: Sequence[Any]) -> dict[str, Any]:
    progress: dict[str, Any] = read_json(folder / "progress.json")
    if sha256_file(folder / "variables.npz") != progress.pop("sha256"):
        raise ValueError("variables.npz does not match its digest")
    with np.load(folder / "variables.npz", allow_pickle=False) as arrays:
        values = [arrays[name] for name in sorted(arrays.files)]
    if [value.shape for value in values] != [tuple(variable.shape) for variable in variables]:
        raise ValueError("its variables have other shapes than this training's")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return progress


def _newest_first(root: Path) -> list[Path]:
    return sorted(root.glob("epoch-*"), reverse=True)
