"""The installed versions of what a captioning process imports: with others, a model may caption otherwise."""

from __future__ import annotations

import importlib.metadata

LIBRARIES = ("h5py", "keras", "numpy", "pandas", "pillow", "pydantic", "pyyaml", "tensorflow-cpu", "tensorflow")


def requirements() -> list[str]:
    """One `name==version` a library that is installed."""
    installed = {item.name.lower().replace("_", "-"): item.version for item in importlib.metadata.distributions()}
    return [f"{name}=={installed[name]}" for name in LIBRARIES if name in installed]
