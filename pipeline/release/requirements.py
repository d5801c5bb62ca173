"""The installed versions of what a captioning process imports: with others, a model may caption otherwise."""

from __future__ import annotations

from pipeline.core.packages import installed_versions

LIBRARIES = (
    *("h5py", "keras", "numpy", "openvino", "pandas", "pillow", "pydantic", "pyyaml", "tensorflow-cpu", "tensorflow"),
)


def requirements() -> list[str]:
    """One `name==version` a library that is installed."""
    return [f"{name}=={version}" for name, version in installed_versions(LIBRARIES).items()]
