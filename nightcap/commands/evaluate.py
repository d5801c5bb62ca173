"""`nightcap evaluate`: caption annotated images and score the captions."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from nightcap.captioning import DEFAULT_MODEL, BeamWidthOption, ModelOption, TrustOption, caption_images, load_model
from nightcap.console import show, working
from nightcap.images import NamedFile
from nightcap.options import AnnotationsOption, LanguageOption
from nightcap.output import OutputOption, destination
from nightcap.scoring import references_of, write_report, writing_of
from pipeline.core.errors import SettingsError
from pipeline.imaging.decode import ImageLimits
from pipeline.metrics.scores import score_captions


def command(
    annotations: AnnotationsOption,
    images: Annotated[Path, typer.Option(help="The folder its file names are relative to.")],
    model: ModelOption = DEFAULT_MODEL,
    output: OutputOption = None,
    beam: BeamWidthOption = None,
    trust: TrustOption = False,
    language: LanguageOption = None,
) -> None:
    """Caption annotated images and score the captions."""
    if not images.is_dir():
        raise SettingsError(f"--images {images} is no folder; name the folder that {annotations} refers to")
    written = writing_of(language)
    references = references_of(annotations, written)
    with destination(output) as write:
        captioner = load_model(model, beam, trust)
        with working("captioning"):
            files = (NamedFile(name, images / name) for name in references)
            lines = list(caption_images(captioner, files, ImageLimits()))
        reasons = Counter(line.reason for line in lines if line.reason)
        if reasons:
            counts = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
            show(f"{reasons.total()} of {len(lines)} images have no caption and score 0: {counts}")
        captions = {line.image: written(line.caption.text) for line in lines if line.caption}
        with working("scoring"):
            report = score_captions(references, captions)
        write_report(report, write)
