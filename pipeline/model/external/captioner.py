"""A captioner that others made, as a night sees it."""

from __future__ import annotations

import io
import logging

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.core.environment import ExternalLimits
from pipeline.core.errors import BadInput, BundleRejected
from pipeline.model.external.answers import captions_of
from pipeline.model.external.package import ExternalModel
from pipeline.model.external.process import ExternalProcess
from pipeline.model.interface import Caption, PinnedModel

log = logging.getLogger(__name__)

_BATCH = 16
GIVE_UP = 3


class ExternalCaptioner:
    """A pyfunc in a process of its own; see `Captioner` for its attributes.

    It is given PNG files of images that are decoded, upright and square already, never the files of strangers.
    A batch that it fails at is halved until the images that it fails at are alone; each gets a reason.
    """

    def __init__(self, model: ExternalModel, pinned: PinnedModel, limits: ExternalLimits) -> None:
        self.name, self.version = pinned.name, pinned.version
        self.digest, self.engine = model.digest, pinned.engine
        self.side, self.fit = model.side, model.fit
        self._folder, self._limits = model.folder, limits
        self._failures = 0
        self._process = self._started()

    def caption(self, pixels: npt.NDArray[np.uint8]) -> list[Caption]:
        """Caption uint8 [n, side, side, 3] for any n: n captions, or reasons, in the same order; see `_failed`."""
        images = [_png(each) for each in pixels]
        batches = (images[start : start + _BATCH] for start in range(0, len(images), _BATCH))
        return [caption for batch in batches for caption in self._isolated(batch)]

    def _isolated(self, images: list[bytes]) -> list[Caption]:
        try:
            if not self._process.alive:
                self._process = self._started()
            captions = captions_of(self._process.ask(images), len(images))
        except BadInput as failure:
            if len(images) == 1:
                return [self._failed(failure)]
            middle = len(images) // 2
            return [*self._isolated(images[:middle]), *self._isolated(images[middle:])]
        self._failures = 0
        return captions

    def _failed(self, failure: BadInput) -> Caption:
        """The reason of a failure; raises BundleRejected where several images in a row failed."""
        # Its text alone: a log that kept the error would keep this captioner, and so its process.
        log.warning("captioner %s version %s failed at an image: %s", self.name, self.version, str(failure))
        self._failures += 1
        if self._failures >= GIVE_UP:
            self._process.end()
            raise BundleRejected(
                f"captioner {self.name} version {self.version} failed at {GIVE_UP} images one after the other, the last "
                f"time because {failure}; nothing is published; mend it, or caption with another"
            )
        return Caption("", None, reason=failure.reason)

    def _started(self) -> ExternalProcess:
        try:
            return ExternalProcess(self._folder, self._limits)
        except BadInput as failure:
            raise BundleRejected(
                f"captioner {self.name} version {self.version} cannot be loaded: {failure}; see that "
                f"{self._limits.python} has what it needs, within {self._limits.memory_mb} MiB and {self._limits.load_s} s"
            ) from failure


def _png(pixels: npt.NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()
