"""The golden captions of a bundle: what it must give for the few images that travel with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.core.errors import BadImage, BundleRejected
from pipeline.imaging.decode import ImageLimits
from pipeline.imaging.sandbox import Work, pixels_of_each
from pipeline.model.bundle import GOLDEN, Bundle
from pipeline.model.image_file import read_image_file
from pipeline.model.interface import Captioner
from pipeline.storage.files import read_json, sha256

CAPTIONS = "captions.json"
TOLERANCE = 1e-3  # how far a score may be off: another processor adds up in another order


def golden_images(bundle: Bundle) -> dict[str, npt.NDArray[np.uint8]]:
    """The images as the encoder gets them, uint8 [side, side, 3], by file name.

    Raises BundleRejected if one is no image, or ObjectUnavailable where that may be a passing trouble.
    """
    names, limits = sorted(read_json(bundle.path / GOLDEN / CAPTIONS)), ImageLimits(min_side=1)
    work = Work.within(limits, bundle.settings.pixels.side, "squash")  # which leaves a square of that side as it is
    try:
        data = [read_image_file(bundle.path / GOLDEN / name, limits) for name in names]
        pixels = (each for _, each in pixels_of_each(((sha256(each), each) for each in data), work))
        return dict(zip(names, pixels, strict=True))
    except BadImage as error:
        raise BundleRejected(f"{bundle.path}: a golden image cannot be read: {error}") from error


def reproduce(bundle: Bundle, captioner: Captioner) -> int:
    """Caption the golden images again, reject the bundle if a caption or its score differs; the number of images."""
    wanted: Mapping[str, Any] = read_json(bundle.path / GOLDEN / CAPTIONS)
    images = golden_images(bundle)
    if not images:
        raise BundleRejected(f"{bundle.path}: {GOLDEN}/{CAPTIONS} names no image; register the model anew")
    given = captioner.caption(np.stack(list(images.values())))
    for name, caption in zip(images, given, strict=True):
        text, score = wanted[name]["caption"], wanted[name]["score"]
        if caption.text != text or abs(caption.score - score) > TOLERANCE:
            raise BundleRejected(
                f"{bundle.path}: golden image {name} must give {text!r} ({score:.4f}), here it gives "
                f"{caption.text!r} ({caption.score:.4f}); other libraries than it was made with?"
            )
    return len(given)
