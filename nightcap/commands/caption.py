"""`nightcap caption`: files and folders to lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Annotated

import typer

from nightcap.captioning import DEFAULT_MODEL, BeamWidthOption, Line, ModelOption, caption_images, load_model
from nightcap.console import console, working
from nightcap.output import OutputOption, destination


def command(
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT...", help="Images and folders of images.")],
    model: ModelOption = DEFAULT_MODEL,
    output: OutputOption = None,
    beam: BeamWidthOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="End with 3 if an image was quarantined.")] = False,
) -> None:
    """Caption files and folders: one line of JSON an image, in order.

    A line's `flags` say if the image is small, blank, dark or blurred, so that its caption is not to be trusted; nights
    withhold such captions.
    """
    from nightcap.images import NamedImages
    from pipeline.imaging.decode import ImageLimits

    images = NamedImages(inputs)
    with destination(output) as write:
        captioner = load_model(model, beam)
        with working("captioning") as show:
            counts = _write(caption_images(captioner, images, ImageLimits()), write, show)
    console.print(f"{counts['captioned']} captioned, {counts['quarantined']} quarantined, {images.ignored} ignored")
    if strict and counts["quarantined"]:
        raise typer.Exit(3)


def _write(lines: Iterable[Line], write: Callable[[str], object], show: Callable[[str], None]) -> dict[str, int]:
    counts = {"captioned": 0, "quarantined": 0}
    for line in lines:
        row = line.as_json()
        counts[row["status"]] += 1
        write(json.dumps(row, ensure_ascii=False) + "\n")
        show(f"{sum(counts.values())} images")
    return counts
