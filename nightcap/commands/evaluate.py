"""`nightcap evaluate`: caption annotated pictures and score the captions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nightcap.commands.caption import DEFAULT_MODEL
from nightcap.console import working
from nightcap.scoring import AnnotatedPictures, show_report


def command(
    annotations: Annotated[Path, typer.Option(help="A COCO captions file.")],
    images: Annotated[Path, typer.Option(help="The folder its file names are relative to.")],
    model: Annotated[
        str, typer.Option(help="models:/name@alias, models:/name/version or a bundle's folder.")
    ] = DEFAULT_MODEL,
    output: Annotated[Path | None, typer.Option(help="Also write the scores here, as JSON.")] = None,
    beam: Annotated[
        int | None, typer.Option(min=1, max=20, help="Beam width instead of the model's own decoding.")
    ] = None,
) -> None:
    """Caption annotated pictures and score the captions."""
    from nightcap.captioning import beam_of, caption_pictures
    from pipeline.captioner import load_captioner
    from pipeline.home import Home
    from pipeline.images import ImageLimits
    from pipeline.metrics.scores import score_captions

    pictures = AnnotatedPictures.read(annotations, images)
    with working("loading the model"):
        captioner = load_captioner(Home.from_environment(), model, beam_of(beam))
    with working("captioning"):
        lines = list(caption_pictures(captioner, pictures, ImageLimits()))
    captions = {line.image: line.caption.text for line in lines if line.caption}
    with working("scoring"):
        show_report(score_captions(pictures.references, captions), output)
