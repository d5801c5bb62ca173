"""What may lie in a bundle: names of its own files, and content that is numbers, words or images, nothing that runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.core.errors import BundleRejected
from pipeline.model.int8_encoder import check_graph
from pipeline.model.vocabulary_binding import WORDS
from pipeline.storage.files import read_json

_OPENINGS = {
    b"\x80": "a pickle",
    b"PK\x03\x04": "an archive, such as a whole Keras model or pickled tensors",
    b"\x7fELF": "a program",
    b"#!": "a script",
}
_HDF5, _PNG = b"\x89HDF\r\n\x1a\n", b"\x89PNG\r\n\x1a\n"
_ATTRIBUTES = {"name", "dtype", WORDS}  # a whole model has its layers' code and settings in others


def check_name(name: str, required: frozenset[str]) -> None:
    """Reject the name of a listed file, unless all bundles have it or it is a golden image."""
    if name not in required and not re.fullmatch(r"golden/[0-9]{1,4}\.png", name):
        raise BundleRejected(f"{name} is listed, but it is no file of a bundle; register the model anew")


def check_content(name: str, path: Path) -> None:
    """Reject a file with other content than its name promises, such as a pickle or a whole model with its code."""
    try:
        _CHECKS[Path(name).suffix](path)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        reason = _opening(path) or " ".join(str(error).split())[:200]
        raise BundleRejected(f"{name} is not understood: {reason}; register the model anew") from error


def _opening(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(8)
    return next((f"it is {what}" for start, what in _OPENINGS.items() if head.startswith(start)), "")


def _check_weights(path: Path) -> None:
    import h5py

    _check_start(path, _HDF5)
    with h5py.File(path) as file:
        names = ["/"]
        file.visit(names.append)  # what is reached through hard links, each once
        for name in names:
            item = file[name]
            _check_item(name, item)
            for child in item if isinstance(item, h5py.Group) else ():
                if not isinstance(item.get(child, getlink=True), h5py.HardLink):
                    raise ValueError(f"{child} in {name} is a link to elsewhere")


def _check_item(name: str, item: Any) -> None:
    import h5py

    if not isinstance(item, (h5py.Group, h5py.Dataset)):
        raise ValueError(f"{name} is a stored {type(item).__name__.lower()}, neither numbers nor a group of them")
    extra = sorted(set(item.attrs) - _ATTRIBUTES)
    if extra:
        raise ValueError(f"{name} has {extra[0]}, as whole models have; weights alone are wanted")
    if isinstance(item, h5py.Group):
        return
    if item.dtype.kind not in "fiu":
        raise ValueError(f"{name} holds {item.dtype}, no numbers")
    # Numbers that lie in another file, or that are not there at all and would be made up in memory.
    if item.external or item.is_virtual or item.id.get_storage_size() != item.nbytes:
        raise ValueError(f"{name} does not lie in the file as it is")


def _check_start(path: Path, wanted: bytes) -> None:
    with path.open("rb") as file:
        if file.read(len(wanted)) != wanted:
            raise ValueError(f"it does not begin with {wanted!r}")


def _check_text(path: Path) -> None:
    if "\0" in path.read_text(encoding="utf-8"):
        raise ValueError("it is no text")


_CHECKS: dict[str, Callable[[Path], Any]] = {
    ".h5": _check_weights,
    ".png": lambda path: _check_start(path, _PNG),
    ".txt": _check_text,
    ".md": _check_text,
    ".json": read_json,
    ".xml": check_graph,
    ".bin": lambda path: None,  # numbers, which a graph gives their meaning
}
