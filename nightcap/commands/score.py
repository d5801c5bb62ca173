"""`nightcap score`: score captions that any system wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nightcap.console import show, working
from nightcap.options import AnnotationsOption, LanguageOption
from nightcap.output import OutputOption, destination
from nightcap.scoring import match_captions, read_captions, references_of, write_report, writing_of
from pipeline.metrics.scores import score_captions


def command(
    annotations: AnnotationsOption,
    captions: Annotated[Path, typer.Option(help='Lines of JSON with "image" and "caption".')],
    against: Annotated[
        Path | None, typer.Option(help="Captions of another system for the same images, to compare with.")
    ] = None,
    output: OutputOption = None,
    language: LanguageOption = None,
) -> None:
    """Score captions that any system wrote, matched by relative path, else by base name.

    Each score has an interval of 95% over resampled images. With --against it tells the paired differences, too: the
    first captions are better where an interval lies above 0, and worse where it lies below.
    """
    written = writing_of(language)
    references = references_of(annotations, written)
    given = [read_captions(captions, "--captions"), *([read_captions(against, "--against")] if against else [])]
    matched = [_matched(each, annotations, references) for each in given]
    matched = [{image: written(caption) for image, caption in each.items()} for each in matched]
    with destination(output) as write:
        with working("scoring"):
            reports = [score_captions(references, each) for each in matched]
        write_report(reports[0], write, *reports[1:])


def _matched(given: dict[str, str], annotations: Path, references: dict[str, list[str]]) -> dict[str, str]:
    matched = match_captions(given, references)
    if len(matched) < len(given):
        show(
            f"{len(given) - len(matched)} of {len(given)} captions are of images that {annotations} does not describe; ignored",
        )
    return matched
