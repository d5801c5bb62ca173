"""Many images decoded in a few processes, in their order."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from functools import partial
from typing import NoReturn, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.core.errors import BadImage, ObjectUnavailable
from pipeline.core.parallel import in_parallel
from pipeline.core.reasons import OF_THE_MOMENT
from pipeline.imaging.decode import ImageLimits, thumbnail
from pipeline.imaging.sandbox.pool import Decoders
from pipeline.imaging.sandbox.task import DecodedPixels, Work

PROCESSES = 2

_Key = TypeVar("_Key")
_Result = TypeVar("_Result")


def decode_each(
    images: Iterable[tuple[_Key, bytes]], work: Work
) -> Generator[tuple[_Key, DecodedPixels | BadImage], None, None]:
    """Each image's key, and the image or why it cannot be decoded; few of them are in memory at once.

    The processes end with the generator: close it, or take all. Raises DecoderUnavailable if none can be started.
    """

    def decode(key: _Key, data: bytes) -> tuple[_Key, DecodedPixels | BadImage]:
        try:
            return key, decoders.decode(data)
        except BadImage as bad:
            return key, bad

    def tasks() -> Iterator[Callable[[], tuple[_Key, DecodedPixels | BadImage]]]:
        # An error of reading comes in its turn, after the images that were read before it.
        try:
            for key, data in images:
                yield partial(decode, key, data)
        except Exception as error:
            yield partial(_raise, error)

    with Decoders(work, PROCESSES) as decoders, closing(in_parallel(_call, tasks(), PROCESSES)) as decoded:
        yield from decoded


def pixels_of_each(
    images: Iterable[tuple[str, bytes]], work: Work
) -> Generator[tuple[str, npt.NDArray[np.uint8]], None, None]:
    """Each image's SHA-256 and pixels uint8 [rows, columns, 3], 0..255.

    Raises BadImage for one that cannot be decoded, or ObjectUnavailable where that may be a passing trouble.
    """
    with closing(decode_each(images, work)) as decoded:
        for sha, image in decoded:
            if isinstance(image, BadImage):
                fault = f"the image with SHA-256 {sha[:12]}: {image}"
                if image.reason in OF_THE_MOMENT:
                    raise ObjectUnavailable(fault) from image
                raise BadImage(image.reason, fault) from image
            yield sha, image.pixels


def thumbnail_of_each(
    images: Iterable[tuple[str, bytes]], limits: ImageLimits, side: int = 224
) -> Generator[tuple[str, bytes], None, None]:
    """Each image's SHA-256 and its `thumbnail`; raises BadImage for one that cannot be decoded."""
    with closing(pixels_of_each(images, Work.within(limits, side, "keep"))) as decoded:
        for sha, pixels in decoded:
            yield sha, thumbnail(Image.fromarray(pixels), side)


def _call(task: Callable[[], _Result]) -> _Result:
    return task()


def _raise(error: Exception) -> NoReturn:
    raise error
