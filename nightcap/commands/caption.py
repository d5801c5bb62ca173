"""`nightcap caption`: files and folders to lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
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
from nightcap.console import ignored_in_short, show, show_ignored, working
from nightcap.doubts import Doubts
from nightcap.images import NamedImages
from nightcap.options import StrictOption, VerboseOption
from nightcap.output import OutputOption, destination
from pipeline.core.errors import SettingsError
from pipeline.core.globs import glob_pattern
from pipeline.imaging.decode import ImageLimits


def command(
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT...", help="Images and folders of images.")],
    model: ModelOption = DEFAULT_MODEL,
    output: OutputOption = None,
    beam: BeamWidthOption = None,
    strict: StrictOption = False,
    trust: TrustOption = False,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Glob of files and folders to leave out, as *_small.jpg; may be repeated.")
    ] = None,
    verbose: VerboseOption = False,
) -> None:
    """Caption files and folders: one line of JSON an image, in order.

    Do not trust the caption of a line with `flags`: its image is small, blank, dark or blurred. Nights withhold such
    captions.
    """
    images = NamedImages(inputs, _checked(exclude or ()))
    with destination(output) as write:
        captioner = load_model(model, beam, trust)
        with working("captioning") as show_progress:
            doubts = Doubts(getattr(captioner, "reference", {}))
            counts = _write(caption_images(captioner, images, ImageLimits()), write, show_progress, doubts)
    ignored = images.ignored
    show(f"{counts['captioned']} captioned, {counts['quarantined']} quarantined, {ignored_in_short(ignored.reasons)}")
    for line in doubts.told():
        show(line, "yellow")
    if verbose:
        show_ignored(ignored.reasons, ignored.examples)
    if strict and counts["quarantined"]:
        raise typer.Exit(3)


def _checked(globs: Sequence[str]) -> Sequence[str]:
    try:
        glob_pattern(globs)
    except ValueError as error:
        raise SettingsError(f"--exclude {error}") from error
    return globs


def _write(
    lines: Iterable[Line], write: Callable[[str], object], show_progress: Callable[[str], None], doubts: Doubts
) -> dict[str, int]:
    counts = {"captioned": 0, "quarantined": 0}
    for line in lines:
        row = line.as_json()
        counts[row["status"]] += 1
        doubts.add(line)
        write(json.dumps(row, ensure_ascii=False) + "\n")
        show_progress(f"{sum(counts.values())} images")
    return counts
