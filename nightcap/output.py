"""Where results go: standard output, or a file that appears atomically."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from pipeline.core.errors import SettingsError

OutputOption = Annotated[Path | None, typer.Option(dir_okay=False, help="Write here instead of to standard output.")]


@contextmanager
def destination(output: Path | None) -> Iterator[Callable[[str], object]]:
    """Yield what writes a text; a file takes its name only when all is written.

    Raises:
        SettingsError: no file can be written there.
    """
    if output is None:
        yield _say
    elif output.exists() and not output.is_file():  # a pipe or a device
        with output.open("w", encoding="utf-8") as file:
            yield file.write
    else:
        yield from _whole_file(output.resolve())


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()  # so that a reader need not wait, and a reader who left is noticed


def _whole_file(target: Path) -> Iterator[Callable[[str], object]]:
    try:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:80]}.")
    except OSError as error:
        raise SettingsError(
            f"--output {target} cannot be written ({error.strerror}); name a file in a folder that exists"
        ) from error
    scratch = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            yield file.write
            file.flush()
            os.fsync(file.fileno())
        scratch.chmod(0o644)
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)
