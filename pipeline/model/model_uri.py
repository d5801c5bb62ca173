"""The address of a registered model version."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.core.errors import SettingsError

_SCHEME = "models:/"


@dataclass(frozen=True)
class ModelUri:
    """`models:/name@alias` or `models:/name/version`: either `version`, a number, or `alias` is empty."""

    name: str
    version: str = ""
    alias: str = ""

    @classmethod
    def parse(cls, text: str) -> ModelUri:
        """The parts of an address, also of one without `models:/`; raises SettingsError for another form."""
        name, at, alias = text.removeprefix(_SCHEME).strip("/").partition("@")
        if at and name and alias and "/" not in name + alias:
            return cls(name, alias=alias)
        name, _, version = text.removeprefix(_SCHEME).strip("/").partition("/")
        if name and version.isascii() and version.isdigit():
            return cls(name, version)
        raise SettingsError(f"model {text!r} is neither models:/name@alias nor models:/name/version")

    def __str__(self) -> str:
        return f"{_SCHEME}{self.name}{'@' if self.alias else '/'}{self.alias or self.version}"


def is_model_uri(text: str) -> bool:
    """Whether a text addresses the registry, and not a folder."""
    return text.startswith(_SCHEME)
