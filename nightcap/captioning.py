"""Caption a stream of pictures; a bad one gets a reason and stops nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

from pipeline.captioner_types import Caption, Captioner
from pipeline.errors import BadInput
from pipeline.images import ImageLimits, pixels
from pipeline.settings import DecodingSettings

CHUNK = 64


class Line(NamedTuple):
    """What became of one picture: a caption, or a reason why there is none."""

    image: str
    caption: Caption | None
    reason: str | None

    def as_json(self) -> dict[str, Any]:
        """The line of the output file."""
        caption, score = (None, None) if self.caption is None else (self.caption.text, round(self.caption.score, 6))
        status = "captioned" if self.caption else "quarantined"
        return {"image": self.image, "status": status, "caption": caption, "score": score, "reason": self.reason}


def caption_pictures(captioner: Captioner, pictures: Iterable[Any], limits: ImageLimits) -> Iterator[Line]:
    """A line a picture, in their order; each has `image` and `read(limits)`."""
    import numpy as np

    stream = iter(pictures)
    while chunk := list(islice(stream, CHUNK)):
        decoded = [_decode(captioner, picture, limits) for picture in chunk]
        good = [item for item in decoded if not isinstance(item, str)]
        captions = iter(captioner.caption(np.stack(good)) if good else [])
        for picture, item in zip(chunk, decoded, strict=True):
            bad = isinstance(item, str)
            yield Line(picture.image, None if bad else next(captions), item if bad else None)


def beam_of(width: int | None) -> DecodingSettings | None:
    """Beam search of a width instead of the model's own decoding, if a width was given."""
    return None if width is None else DecodingSettings(method="beam", beam_width=width)


def _decode(captioner: Captioner, picture: Any, limits: ImageLimits) -> Any:
    try:
        return pixels(picture.read(limits), captioner.side, captioner.fit, limits)
    except BadInput as error:
        return error.reason
