"""Training settings from a file: those that trainings have unless somebody says otherwise."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.core.settings import read_yaml, train_settings, values_named
from pipeline.core.variables import Variable

TRAIN_CONFIG = Variable(
    "NIGHTCAP_TRAIN_CONFIG",
    "An absolute path of a settings file that fills the form of `train_captioner`; enough new corrections then start it. "
    "Default: none.",
)

_ANNOTATIONS = ("source.train_annotations", "source.val_annotations", "source.test_annotations")
_PLACES = ("source.images", *_ANNOTATIONS, "source.data_dir", "encoder.weights", "validation.waivers")


def training_config(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The nested values that `NIGHTCAP_TRAIN_CONFIG`'s file gives.

    Raises:
        SettingsError: that file cannot be read, or has something wrong in it.
    """
    return values_named(TRAIN_CONFIG, environ, training_config_file, _checked)


def training_config_file(path: Path) -> dict[str, Any]:
    """A file's nested values, not checked yet; relative paths in it are relative to it.

    Raises:
        SettingsError: it cannot be read, or is no mapping.
    """
    folder = path.absolute().parent
    return {
        group: {name: resolve_training_path(folder, f"{group}.{name}", value) for name, value in fields.items()}
        if isinstance(fields, dict)
        else fields
        for group, fields in read_yaml(path).items()
    }


def _checked(values: dict[str, Any]) -> dict[str, Any]:
    train_settings(values)
    return values


def resolve_training_path(folder: Path, key: str, value: Any) -> Any:
    """The value of a setting `group.name`; a path that is relative to a folder becomes absolute."""
    if key not in _PLACES or not isinstance(value, str) or value == "imagenet" or value.startswith("s3://"):
        return value
    return str(folder / Path(value).expanduser())
