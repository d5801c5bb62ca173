"""Where results go: standard output, or a file that appears atomically."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from pipeline.core.errors import ObjectUnavailable, SettingsError
from pipeline.core.terminal import escaped_json
from pipeline.storage.files import replacing

OutputOption = Annotated[Path | None, typer.Option(dir_okay=False, help="Write here instead of to standard output.")]


@contextmanager
def destination(output: Path | None) -> Iterator[Callable[[str], object]]:
    """A function that writes JSON; a file appears only when all is written, and standard output has JSON's escapes."""
    if output is None:
        yield _print
    elif output.exists() and not output.is_file():  # a pipe or a device
        with output.open("w", encoding="utf-8") as file:
            yield lambda text: file.write(escaped_json(text))
    else:
        yield from _new_file(output.resolve())


def _print(text: str) -> None:
    sys.stdout.write(escaped_json(text))
    sys.stdout.flush()  # so that a reader need not wait, and a reader who left is noticed


def _new_file(target: Path) -> Iterator[Callable[[str], object]]:
    with ExitStack() as stack:
        try:
            file = stack.enter_context(replacing(target))
        except (OSError, ObjectUnavailable) as error:  # the latter of a full or read-only disk
            cause = error if isinstance(error, OSError) else error.__cause__
            raise SettingsError(
                f"--output {target} cannot be written ({getattr(cause, 'strerror', cause)}); "
                "name a file in a folder that exists and has room"
            ) from error
        yield lambda text: file.write(text.encode())
