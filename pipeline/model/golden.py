"""The golden captions of a bundle: what it must give for the few images that travel with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.core.errors import BundleRejected
from pipeline.model.bundle import GOLDEN, Bundle
from pipeline.model.interface import Captioner
from pipeline.storage.files import read_json

CAPTIONS = "captions.json"
TOLERANCE = 1e-3  # how far a score may be off: another processor adds up in another order


def golden_images(bundle: Bundle) -> dict[str, npt.NDArray[np.uint8]]:
    """The images as the encoder gets them, uint8 [side, side, 3], by file name."""
    names = sorted(read_json(bundle.path / GOLDEN / CAPTIONS))
    return {name: np.asarray(Image.open(bundle.path / GOLDEN / name)) for name in names}


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
