"""Variables of the environment: each is declared once, with its default, its check and its description."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from pipeline.core.errors import SettingsError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Variable:
    """A variable of the environment."""

    name: str
    description: str  # for the reference page
    default: str = ""  # read where the variable is missing or empty
    parse: Callable[[str], Any] = str  # raises ValueError with the mistake and a remedy
    secret: bool = False  # no error may repeat the value
    former_name: str = ""  # still read, with a warning

    def read(self, environ: Mapping[str, str] = os.environ) -> Any:
        """The checked value; SettingsError names the variable, its value unless that is secret, and a remedy."""
        name, text = self.name, environ.get(self.name, "").strip()
        if not text and (text := environ.get(self.former_name, "").strip()):
            name = self.former_name
            log.warning("%s is now called %s; the old name is read for this release only", self.former_name, self.name)
        try:
            return self.parse(text or self.default)
        except ValueError as error:
            shown = "" if self.secret else f" is {text!r}"
            raise SettingsError(f"{name}{shown}: {error}") from error


def env(name: str, description: str, default: str = "", *, required: bool = False, **options: Any) -> Any:
    """A field of a dataclass that holds a variable's value; unless required, its default is the variable's own."""
    variable = Variable(name, description, default, **options)
    value = MISSING if required else variable.parse(default)
    return field(default=value, repr=not variable.secret, metadata={"variable": variable})


def variables_of(kind: type) -> Iterator[tuple[str, Variable]]:
    """A dataclass' fields that hold variables, by name."""
    for each in fields(kind):
        if "variable" in each.metadata:
            yield each.name, each.metadata["variable"]


def values_of(kind: type, environ: Mapping[str, str]) -> dict[str, Any]:
    """The checked value of each such field."""
    return {name: variable.read(environ) for name, variable in variables_of(kind)}
