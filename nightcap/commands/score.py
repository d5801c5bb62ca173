"""`nightcap score`: score captions that any system wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nightcap.console import working
from nightcap.scoring import matched, read_captions, references_of, show_report


def command(
    annotations: Annotated[Path, typer.Option(help="A COCO captions file.")],
    captions: Annotated[Path, typer.Option(help='Lines of JSON with "image" and "caption".')],
    output: Annotated[Path | None, typer.Option(help="Also write the scores here, as JSON.")] = None,
) -> None:
    """Score captions that any system wrote, matched by relative path, else by base name."""
    from pipeline.metrics.scores import score_captions

    references = references_of(annotations)
    found = matched(read_captions(captions), references)
    with working("scoring"):
        show_report(score_captions(references, found), output)
