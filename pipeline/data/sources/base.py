"""What every source of captioned photographs offers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class LabelledBox:
    """An object that is truly in an image; the box is in pixels from the top left corner."""

    label: str
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class CaptionedImage:
    """One image with its captions."""

    image: str  # a name for people, unique within the source
    uri: str  # the argument of `Source.read`
    split: Split | None  # the source's own split; None: to be cut by hash
    captions: tuple[str, ...]  # as written, in the source's order
    data: bytes | None  # encoded (JPEG, PNG, ..); None when the file cannot be read
    objects: tuple[LabelledBox, ...] = ()  # the true objects in the image, where the source has them


class Source(Protocol):
    """A collection of captioned photographs."""

    def fingerprint(self) -> str:
        """A cheap digest that changes whenever images or captions may have changed."""

    def captioned_images(self) -> Iterable[CaptionedImage]:
        """Every image once, in a fixed order, read lazily."""

    def read(self, uris: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
        """Encoded bytes of some images, each URI once, in any order; None where unreadable."""

    def remark(self, uri: str) -> str | None:
        """What a person who reads why an image is quarantined should know of it, too."""
