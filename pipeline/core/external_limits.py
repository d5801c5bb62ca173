"""What an external captioner may use; it belongs to the machine, not to a night, so no form can raise it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.core.errors import SettingsError


@dataclass(frozen=True)
class ExternalLimits:
    """What an external captioner's process is and may use.

    Attributes:
        python: the interpreter that runs it, or a script that takes the same arguments.
        memory_mb: of address space, in MiB; 0 for no limit.
        load_s: seconds that it may take to load.
        batch_s: seconds that it may take to caption a batch.
    """

    python: str = sys.executable
    memory_mb: int = 16_384
    load_s: int = 600
    batch_s: int = 300

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> ExternalLimits:
        """Read `NIGHTCAP_FOREIGN_PYTHON`, `_MEMORY_MB`, `_LOAD_S` and `_BATCH_S`.

        Raises:
            SettingsError: a limit is no whole number that is allowed.
        """
        return cls(
            environ.get("NIGHTCAP_FOREIGN_PYTHON") or cls.python,
            _number(environ, "NIGHTCAP_FOREIGN_MEMORY_MB", cls.memory_mb, 0),
            _number(environ, "NIGHTCAP_FOREIGN_LOAD_S", cls.load_s, 1),
            _number(environ, "NIGHTCAP_FOREIGN_BATCH_S", cls.batch_s, 1),
        )


def _number(environ: Mapping[str, str], name: str, default: int, least: int) -> int:
    text = environ.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdecimal()) or int(text) < least:
        raise SettingsError(f"{name} is {text!r}; set it to a whole number of at least {least}")
    return int(text)
