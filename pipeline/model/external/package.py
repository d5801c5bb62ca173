"""An external captioner on disk: which files it is, and whether its signature is a captioner's. None of it is run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pipeline.core.errors import BundleRejected, ModelNotFound
from pipeline.imaging.decode import Fit
from pipeline.storage.files import sha256, sha256_file

MLMODEL = "MLmodel"
_SIDE, FIT = 384, "squash"
MAX_SIDE = 2048
WANTED = "columns in: image (binary), others only if they are optional; columns out: caption (string)"


@dataclass(frozen=True)
class ExternalModel:
    """An MLflow model that may caption."""

    folder: Path  # where it is
    digest: str  # SHA-256 over the names and digests of its files
    side: int  # side in pixels of the square images it is given; `side` of the model's metadata, else 384
    fit: Fit  # how an image becomes square; `fit` of the metadata, else `squash`


def read_external(folder: Path, expected_digest: str | None = None) -> ExternalModel:
    """Check an MLflow model's signature and, if given, digest; raises ModelNotFound or BundleRejected."""
    if not (folder / MLMODEL).is_file():
        raise ModelNotFound(f"{folder} is no MLflow model: it holds no {MLMODEL}")
    digest = _digest(folder)
    if expected_digest not in {None, digest}:
        raise BundleRejected(
            f"{folder}: the files of this external captioner have digest {digest[:12]}, but those that were named have "
            f"{expected_digest[:12] if expected_digest else ''}; log it as a new version and name that"
        )
    return _described(folder, digest)


def _digest(folder: Path) -> str:
    lines = []
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise BundleRejected(f"{folder}: {path.name} is a symbolic link, which no captioner may hold")
        if path.is_file():
            lines.append(f"{sha256_file(path)}  {path.relative_to(folder).as_posix()}\n")
    return sha256("".join(lines).encode())


def _described(folder: Path, digest: str) -> ExternalModel:
    import mlflow
    from mlflow.models import Model

    try:
        model = Model.load(str(folder / MLMODEL))
        signature, metadata = model.signature, model.metadata or {}
    except (mlflow.MlflowException, TypeError, ValueError, KeyError, AttributeError) as error:
        raise BundleRejected(f"{folder / MLMODEL} cannot be read: {' '.join(str(error).split())[:200]}") from error
    if "python_function" not in model.flavors or not _fits(signature):
        raise BundleRejected(f"{folder} is no captioner; an MLflow pyfunc with this signature is: {WANTED}")
    side, fit = metadata.get("side", _SIDE), metadata.get("fit", FIT)
    if type(side) is not int or not 1 <= side <= MAX_SIDE or fit not in get_args(Fit):
        raise BundleRejected(
            f"{folder / MLMODEL}: metadata side {side!r} and fit {fit!r} must be 1 to {MAX_SIDE} pixels, and one of "
            f"{', '.join(get_args(Fit))}"
        )
    return ExternalModel(folder, digest, side, fit)


def _fits(signature: Any) -> bool:
    if signature is None or signature.inputs is None or signature.outputs is None:
        return False
    if signature.inputs.is_tensor_spec() or signature.outputs.is_tensor_spec():
        return False
    takes = {column.name: column for column in signature.inputs}
    gives = {column.name: _kind(column) for column in signature.outputs}
    others = [column for name, column in takes.items() if name != "image" and column.required]
    return "image" in takes and _kind(takes["image"]) == "binary" and not others and gives.get("caption") == "string"


def _kind(column: Any) -> str:
    return str(getattr(column.type, "name", column.type))
