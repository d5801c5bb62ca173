"""`nightcap score`: score captions that any system wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nightcap.console import console, working
from nightcap.output import OutputOption, destination
from nightcap.scoring import matched, read_captions, references_of, show_report


def command(
    annotations: Annotated[Path, typer.Option(help="A COCO captions file.")],
    captions: Annotated[Path, typer.Option(help='Lines of JSON with "image" and "caption".')],
    output: OutputOption = None,
) -> None:
    """Score captions that any system wrote, matched by relative path, else by base name."""
    from pipeline.metrics.scores import score_captions

    references = references_of(annotations)
    given = read_captions(captions)
    found = matched(given, references)
    if len(found) < len(given):
        console.print(
            f"{len(given) - len(found)} of {len(given)} captions are of images that {annotations} does not describe; ignored",
            markup=False,
        )
    with destination(output) as write:
        with working("scoring"):
            report = score_captions(references, found)
        show_report(report, write)
