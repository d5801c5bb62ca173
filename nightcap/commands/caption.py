"""`nightcap caption`: files and folders to lines of JSON."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from nightcap.console import console, working

DEFAULT_MODEL = "models:/captioner@champion"


def command(
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT...", help="Pictures and folders of pictures.")],
    model: Annotated[
        str, typer.Option(help="models:/name@alias, models:/name/version or a bundle's folder.")
    ] = DEFAULT_MODEL,
    output: Annotated[Path | None, typer.Option(help="Write here instead of to standard output.")] = None,
    beam: Annotated[
        int | None, typer.Option(min=1, max=20, help="Beam width instead of the model's own decoding.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="End with 3 if a picture was quarantined.")] = False,
) -> None:
    """Caption files and folders: one line of JSON a picture, in order."""
    from nightcap.captioning import beam_of, caption_pictures
    from nightcap.pictures import Pictures
    from pipeline.captioner import load_captioner
    from pipeline.home import Home
    from pipeline.images import ImageLimits

    pictures = Pictures(inputs)
    with working("loading the model"):
        captioner = load_captioner(Home.from_environment(), model, beam_of(beam))
    if not captioner.version:
        console.print(f"{model}: a bare folder, origin not verified", style="yellow")
    with working("captioning"), _destination(output) as file:
        counts = _write(file, caption_pictures(captioner, pictures, ImageLimits()))
    console.print(f"{counts['captioned']} captioned, {counts['quarantined']} quarantined, {pictures.ignored} ignored")
    if strict and counts["quarantined"]:
        raise typer.Exit(3)


def _write(file: TextIO, lines: Iterable[Any]) -> dict[str, int]:
    counts = {"captioned": 0, "quarantined": 0}
    for line in lines:
        row = line.as_json()
        counts[row["status"]] += 1
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return counts


@contextmanager
def _destination(output: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that appears whole when all is written."""
    from pipeline.errors import SettingsError

    if output is None:
        yield sys.stdout
        return
    try:
        descriptor, name = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}.")
    except OSError as error:
        raise SettingsError(
            f"--output {output}: cannot write there ({error.strerror}); name a file in an existing folder"
        ) from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            yield file
        Path(name).chmod(0o644)
        Path(name).replace(output)
    finally:
        Path(name).unlink(missing_ok=True)
