"""Which packages are installed."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable
from contextlib import suppress


def installed_versions(names: Iterable[str]) -> dict[str, str]:
    """Versions of the packages that are installed, in the given order."""
    versions = {}
    for name in names:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions
