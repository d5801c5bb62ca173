"""`nightcap score`: score captions that any system wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nightcap.console import show, working
from nightcap.options import AnnotationsOption
from nightcap.output import OutputOption, destination
from nightcap.scoring import match_captions, read_captions, references_of, write_report
from pipeline.metrics.scores import score_captions


def command(
    annotations: AnnotationsOption,
    captions: Annotated[Path, typer.Option(help='Lines of JSON with "image" and "caption".')],
    output: OutputOption = None,
) -> None:
    """Score captions that any system wrote, matched by relative path, else by base name."""
    references = references_of(annotations)
    given = read_captions(captions)
    matched = match_captions(given, references)
    if len(matched) < len(given):
        show(
            f"{len(given) - len(matched)} of {len(given)} captions are of images that {annotations} does not describe; ignored",
        )
    with destination(output) as write:
        with working("scoring"):
            report = score_captions(references, matched)
        write_report(report, write)
