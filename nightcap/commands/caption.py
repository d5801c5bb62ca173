"""`nightcap caption`: files and folders to lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Annotated

import typer

from nightcap.captioning import DEFAULT_MODEL, BeamWidth, Line, Model, caption_pictures, load_model
from nightcap.console import console, working
from nightcap.output import Output, destination


def command(
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT...", help="Pictures and folders of pictures.")],
    model: Model = DEFAULT_MODEL,
    output: Output = None,
    beam: BeamWidth = None,
    strict: Annotated[bool, typer.Option("--strict", help="End with 3 if a picture was quarantined.")] = False,
) -> None:
    """Caption files and folders: one line of JSON a picture, in order.

    A line's `flags` say if the picture is small, blank, dark or blurred, so that its caption is not to be trusted; nights
    withhold such captions.
    """
    from nightcap.pictures import Pictures
    from pipeline.imaging.decode import ImageLimits

    pictures = Pictures(inputs)
    with destination(output) as write:
        captioner = load_model(model, beam)
        with working("captioning") as show:
            counts = _write(caption_pictures(captioner, pictures, ImageLimits()), write, show)
    console.print(f"{counts['captioned']} captioned, {counts['quarantined']} quarantined, {pictures.ignored} ignored")
    if strict and counts["quarantined"]:
        raise typer.Exit(3)


def _write(lines: Iterable[Line], write: Callable[[str], object], show: Callable[[str], None]) -> dict[str, int]:
    counts = {"captioned": 0, "quarantined": 0}
    for line in lines:
        row = line.as_json()
        counts[row["status"]] += 1
        write(json.dumps(row, ensure_ascii=False) + "\n")
        show(f"{sum(counts.values())} pictures")
    return counts
