"""`nightcap evaluate`: caption annotated pictures and score the captions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from nightcap.captioning import DEFAULT_MODEL, BeamWidth, Line, Model, caption_pictures, load_model
from nightcap.console import console, working
from nightcap.output import Output, destination
from nightcap.scoring import AnnotatedPictures, show_report


def command(
    annotations: Annotated[Path, typer.Option(help="A COCO captions file.")],
    images: Annotated[Path, typer.Option(help="The folder its file names are relative to.")],
    model: Model = DEFAULT_MODEL,
    output: Output = None,
    beam: BeamWidth = None,
) -> None:
    """Caption annotated pictures and score the captions."""
    from pipeline.imaging.decode import ImageLimits
    from pipeline.metrics.scores import score_captions

    pictures = AnnotatedPictures.read(annotations, images)
    with destination(output) as write:
        captioner = load_model(model, beam)
        with working("captioning"):
            lines = list(caption_pictures(captioner, pictures, ImageLimits()))
        _tell_missing(lines)
        captions = {line.image: line.caption.text for line in lines if line.caption}
        with working("scoring"):
            report = score_captions(pictures.references, captions)
        show_report(report, write)


def _tell_missing(lines: Sequence[Line]) -> None:
    reasons = Counter(line.reason for line in lines if line.reason)
    if reasons:
        told = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        console.print(f"{reasons.total()} of {len(lines)} pictures have no caption and score 0: {told}")
