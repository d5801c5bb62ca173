"""Images of the table of captions, decoded in limited processes, as JPEG for a browser."""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

from PIL import Image

from pipeline.core.environment import Home
from pipeline.imaging.decode import thumbnail
from pipeline.imaging.sandbox import Decoders
from pipeline.storage.objects import address_of, open_folder, require_inside
from serving.runs.roots import roots_of
from serving.runs.settings import NightSettings
from serving.upkeep.forget import inputs_of

_SIDES: Final = {"large": 1_280, "small": 320}  # pixels of the longer side


class ReviewedImages:
    """Reads images below the roots and the inputs of nights; to be used as a context."""

    def __init__(self, home: Home) -> None:
        settings = NightSettings()
        self._roots = (*roots_of(home), *inputs_of(home.store))
        self._limits = settings.limits()
        self._decoders = Decoders(settings.work(max(_SIDES.values()), "keep"), processes=2)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._decoders.__exit__(kind, error, trace)

    def jpeg(self, image: str, size: str) -> bytes | None:
        """A JPEG of an image as the table names it, `large` or `small`; None if it is gone.

        Raises SettingsError if it lies elsewhere, BadInput if it cannot be decoded, ObjectUnavailable if the store fails.
        """
        require_inside(image, self._roots)
        folder, _, name = address_of(image).rpartition("/")
        data = open_folder(folder or "/").get(name, self._limits.max_bytes)
        if data is None:
            return None
        return thumbnail(Image.fromarray(self._decoders.decode(data).pixels), _SIDES[size])
