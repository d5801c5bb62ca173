"""`nightcap caption`: files and folders to lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Annotated

import typer

from nightcap.captioning import (
    DEFAULT_MODEL,
    BeamWidthOption,
    Line,
    ModelOption,
    TrustOption,
    caption_images,
    load_model,
)
from nightcap.console import show, working
from nightcap.images import NamedImages
from nightcap.options import StrictOption
from nightcap.output import OutputOption, destination
from pipeline.imaging.decode import ImageLimits


def command(
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT...", help="Images and folders of images.")],
    model: ModelOption = DEFAULT_MODEL,
    output: OutputOption = None,
    beam: BeamWidthOption = None,
    strict: StrictOption = False,
    trust: TrustOption = False,
) -> None:
    """Caption files and folders: one line of JSON an image, in order.

    Do not trust the caption of a line with `flags`: its image is small, blank, dark or blurred. Nights withhold such
    captions.
    """
    images = NamedImages(inputs)
    with destination(output) as write:
        captioner = load_model(model, beam, trust)
        with working("captioning") as show_progress:
            counts = _write(caption_images(captioner, images, ImageLimits()), write, show_progress)
    show(f"{counts['captioned']} captioned, {counts['quarantined']} quarantined, {images.ignored} ignored")
    if strict and counts["quarantined"]:
        raise typer.Exit(3)


def _write(
    lines: Iterable[Line], write: Callable[[str], object], show_progress: Callable[[str], None]
) -> dict[str, int]:
    counts = {"captioned": 0, "quarantined": 0}
    for line in lines:
        row = line.as_json()
        counts[row["status"]] += 1
        write(json.dumps(row, ensure_ascii=False) + "\n")
        show_progress(f"{sum(counts.values())} images")
    return counts
