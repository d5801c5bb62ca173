"""The installed versions of what a captioning process imports: with others, a model may caption otherwise."""

from __future__ import annotations

from pipeline.core.packages import installed_versions
from pipeline.model.bundle import INT8_ENGINE

_LIBRARIES = ("h5py", "keras", "numpy", "pandas", "pillow", "pydantic", "pyyaml", "tensorflow-cpu", "tensorflow")


def requirements(engine: str = INT8_ENGINE) -> list[str]:
    """One `name==version` a library that is installed and that a version of this engine needs."""
    names = sorted((*_LIBRARIES, "openvino")) if engine == INT8_ENGINE else _LIBRARIES
    return [f"{name}=={version}" for name, version in installed_versions(names).items()]
