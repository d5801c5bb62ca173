"""What a training ran on: the device, the versions of packages and the commit of the code."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import psutil

import pipeline
from pipeline.core.packages import installed_versions
from pipeline.core.subprocesses import child_environment
from pipeline.training.precision import policy

_PACKAGES = ("nightcap", "tensorflow", "tensorflow-cpu", "keras", "tensorflow-datasets", "numpy", "pillow", "mlflow")


def describe_device() -> dict[str, Any]:
    """The machine and the accelerator that TensorFlow sees: `kind` GPU or CPU, and the precision of training."""
    import tensorflow as tf

    devices = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(device) for device in devices]
    return {
        "kind": "GPU" if devices else "CPU",
        "names": [detail.get("device_name", "unknown") for detail in details],
        "precision": policy(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": platform.platform(),
    }


def versions() -> dict[str, Any]:
    """Of Python and the packages that figures depend on, and `git`, the commit of a checkout."""
    git = _git(Path(pipeline.__file__).parents[1])
    return {"python": platform.python_version(), **installed_versions(_PACKAGES), "git": git}


def _git(checkout: Path) -> dict[str, Any] | None:
    """The commit that the code is at, and whether nothing was changed since; None outside a checkout."""
    if not (checkout / ".git").exists():
        return None
    try:
        commit, changes = (
            subprocess.run(
                ["git", "-C", checkout, *words],  # noqa: S607
                env=child_environment(),
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for words in (("rev-parse", "HEAD"), ("status", "--porcelain", "--untracked-files=no"))
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return {"commit": commit.strip(), "unchanged": not changes.strip()}
