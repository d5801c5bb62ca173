"""Caption a stream of images; a bad one gets a reason and stops nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer

from nightcap.console import load_tensorflow, show, working
from pipeline.core.environment import Home
from pipeline.core.errors import BadInput, SettingsError
from pipeline.imaging.decode import ImageLimits
from pipeline.imaging.sandbox import DecodedPixels, Decoders, Work
from pipeline.model.interface import Caption, Captioner, PinnedModel

_CHUNK = 64
DEFAULT_MODEL = "models:/captioner@champion"

ModelOption = Annotated[str, typer.Option(help="models:/name@alias, models:/name/version or a bundle's folder.")]
TrustOption = Annotated[
    bool, typer.Option("--trust", help="Run an external captioner's code without a question, though nobody named it.")
]
BeamWidthOption = Annotated[
    int | None, typer.Option(min=1, max=20, help="Beam width instead of the model's own decoding.")
]


class Line(NamedTuple):
    """The caption of an image or the reason why there is none, and the image's flags."""

    image: str
    caption: Caption | None
    reason: str | None
    flags: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The line of the output file."""
        caption = self.caption
        return {
            "image": self.image,
            "status": "captioned" if caption else "quarantined",
            "caption": caption and caption.text,
            "score": None if caption is None or caption.score is None else round(caption.score, 6),
            "confidence": None if caption is None or caption.confidence is None else round(caption.confidence, 6),
            "reason": self.reason,
            "flags": list(self.flags),
        }


def caption_images(captioner: Captioner, images: Iterable[Any], limits: ImageLimits) -> Iterator[Line]:
    """A line for each image, in their order; an image has `image` and `read(limits)`."""
    work, stream = Work(limits, captioner.side, captioner.fit), iter(images)
    with Decoders(work, 1) as decoders:
        yield from _caption_images(captioner, stream, decoders)


def _caption_images(captioner: Captioner, stream: Iterator[Any], decoders: Decoders) -> Iterator[Line]:
    while chunk := list(islice(stream, _CHUNK)):
        items = [_decode(image, decoders) for image in chunk]
        good = [item.pixels for item in items if not isinstance(item, str)]
        captions = iter(captioner.caption(np.stack(good)) if good else [])
        for image, item in zip(chunk, items, strict=True):
            if isinstance(item, str):
                yield Line(image.image, None, item)
            else:
                caption = next(captions)
                yield Line(image.image, None if caption.reason else caption, caption.reason, item.flags)


def load_model(model: str, beam: int | None, trust: bool = False) -> Captioner:
    """The captioner that a person named, with another beam width if one was given.

    A person is told whose code is about to run, and asked unless the promotion journal names it; bundles are data.
    """
    from pipeline.registry.loading import pin

    changes = {} if beam is None else {"method": "beam", "beam_width": beam}
    home = Home.from_environment()
    with working("loading the model"):
        pinned = pin(home, model)
    if pinned.is_external:
        _confirm_code(home, pinned, trust)
    with working("loading the model"):
        return load(home, pinned, changes, trusted=pinned.is_external)


def _confirm_code(home: Home, pinned: PinnedModel, trust: bool) -> None:
    """Say whose code is about to run; SettingsError if the journal does not name it and no person trusts it."""
    from pipeline.registry.journal import Journal

    entry = Journal.of(home).authorising(pinned)
    named = f"named by {entry.who} on {entry.when:%Y-%m-%d}" if entry else "named by nobody in the promotion journal"
    code = f"{pinned.uri} runs code of others, with digest {pinned.digest[:12]}, {named}"
    show(code, "yellow")
    if entry or trust:
        return
    if not (sys.stdin.isatty() and typer.confirm("Run it here, with your files and network?", err=True)):
        raise SettingsError(f"{code}; --trust runs it this once, `nightcap models external {pinned.uri}` names it")


def load_authorised(home: Home, pinned: PinnedModel) -> Captioner:
    """As `load`; SettingsError for a version that nights may not caption with."""
    from serving.planning.model_choice import check_for_night

    check_for_night(home, pinned)
    return load(home, pinned)


def load(home: Home, pinned: PinnedModel, changes: Mapping[str, Any] | None = None, trusted: bool = False) -> Captioner:
    """The captioner of a pinned model; the console shows a warning for a folder that no registry has checked."""
    from pipeline.registry.loading import load_pinned

    if not pinned.is_external:
        load_tensorflow()
    captioner = load_pinned(home, pinned, changes, trusted)
    if not pinned.version:
        show(f"{pinned.uri}: a bare folder, origin not verified", "yellow")
    return captioner


def _decode(image: Any, decoders: Decoders) -> DecodedPixels | str:
    """An image's pixels, or the reason why it cannot be decoded."""
    try:
        return decoders.decode(image.read(decoders.work.limits))
    except BadInput as error:
        return error.reason
