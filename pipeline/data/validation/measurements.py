"""Facts of every image and caption, in any language, for the rules to check."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

import pandas as pd

from pipeline.core.errors import BadImage, SourceChanged
from pipeline.core.reasons import MISSING, SOURCE_CHANGED
from pipeline.core.settings import ValidationSettings
from pipeline.data.snapshot import check_images
from pipeline.data.sources.base import SPLITS, Source
from pipeline.data.validation.near_duplicates import NearDuplicate, find_near_duplicates
from pipeline.data.validation.perceptual_hash import PerceptualHash, PerceptualHashes, perceptual_hash
from pipeline.data.validation.text_checks import is_formula, links, personal_data
from pipeline.imaging.averages import GREY_SIDE
from pipeline.imaging.decode import ImageLimits
from pipeline.imaging.sandbox import Work, decode_each

# Scripts written without spaces: kana and Han, where a character is about a word; Thai, Lao, Burmese, Khmer, where five are.
_IDEOGRAMS = "\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff"
_LETTERS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
# Elsewhere a run of non-space that holds a letter or digit; anchored at its start, so that the search stays linear.
_WORD = re.compile(
    rf"[{_IDEOGRAMS}]|[{_LETTERS}]{{1,5}}|(?<![^\s{_IDEOGRAMS}{_LETTERS}])(?:_|[^\w\s])*[^\W_{_IDEOGRAMS}{_LETTERS}]"
)
_BAD_CHARACTER = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # control, but for tab and line ends
    "\u202a-\u202e\u2066-\u2069"  # bidirectional embedding, override and isolate
    "\ufeff\ufff9-\uffff\ufdd0-\ufdef"  # byte order mark, replacement, noncharacters
    "\U000e0000-\U000e007f"  # invisible tags
    "\ue000-\uf8ff\U000f0000-\U0010ffff]"  # private use
)
_MARKUP = re.compile(r"</?[a-zA-Z][^<>]*>|<!--|&(?:[a-zA-Z]{2,8}|#\d{1,7}|#[xX][0-9a-fA-F]{1,6});")


def caption_facts(captions: pd.DataFrame) -> pd.DataFrame:
    """Facts of captions: the names below, and counts.

    copy is 0 for the first such caption of its image; repeats counts all such captions, whatever their spacing.
    """
    texts = captions["caption"].tolist()
    normalized = pd.Series([" ".join(text.split()) for text in texts], captions.index, dtype=str)
    return pd.DataFrame(
        {
            "row": captions.index,
            "name": _escaped(captions["image"]),
            "position": captions["position"],
            "words": _counts(_WORD, texts),
            "characters": [len(text) for text in texts],
            "bad_characters": _counts(_BAD_CHARACTER, texts),
            "markup": _counts(_MARKUP, texts),
            "personal": [personal_data(text) for text in texts],
            "links": [links(text) for text in texts],
            "formula": [int(is_formula(text)) for text in texts],
            "copy": normalized.groupby([captions["image"], normalized]).cumcount(),
            "repeats": normalized.map(normalized.value_counts()).astype(int),
        },
        captions.index,
    )


@dataclass(frozen=True)
class ImageMeasurements:
    """Measurements of images, each read and decoded once."""

    facts: pd.DataFrame  # problem (a reason, empty for none), width and height in pixels (0 where not decodable)
    hashes: PerceptualHashes


def limits_of(settings: ValidationSettings) -> ImageLimits:
    """Which images are decoded at all."""
    return ImageLimits(settings.max_image_bytes, settings.max_megapixels, settings.min_side)


def measure_images(images: pd.DataFrame, source: Source, limits: ImageLimits) -> ImageMeasurements:
    """Read every image and decode it in limited processes: columns image, uri, sha256."""
    facts = dict.fromkeys(images["image"], (MISSING, 0, 0))
    hashes: dict[str, PerceptualHash] = {}

    def as_listed() -> Iterator[tuple[str, bytes]]:
        for image, _, data in check_images(source, images[images["sha256"] != ""]):
            if isinstance(data, SourceChanged):
                facts[image] = (SOURCE_CHANGED, 0, 0)
            else:
                yield image, data

    with closing(decode_each(as_listed(), Work.within(limits, GREY_SIDE, "averages"))) as decoded:
        for image, result in decoded:
            if isinstance(result, BadImage):
                facts[image] = (result.reason, 0, 0)
                continue
            facts[image] = ("", result.width, result.height)
            hashes[image] = perceptual_hash(result.pixels, result.width, result.height)
    rows = [facts[image] for image in images["image"]]
    frame = pd.DataFrame(rows, images.index, columns=["problem", "width", "height"])
    return ImageMeasurements(frame.astype({"problem": str}), PerceptualHashes.of(list(images["image"]), hashes))


def image_facts(
    images: pd.DataFrame, captions: pd.Series[str], measurements: ImageMeasurements, most_bits: int | None
) -> tuple[pd.DataFrame, list[NearDuplicate]]:
    """Facts of images and their near-duplicates; `captions` are the image of each accepted caption.

    An image is sound if it was decoded and has an accepted caption. copy is 0 for the first sound image with these
    bytes in its split, copies_in_later_splits counts sound ones, near_duplicates is 1 where a later split has a sound
    one. Without `most_bits` (see `find_near_duplicates`) there are none.
    """
    frame = pd.DataFrame(
        {
            "row": images.index,
            "name": _escaped(images["image"]),
            "split": images["split"],
            "bytes": images["bytes"],
            **measurements.facts,
            "captions": images["image"].map(captions.value_counts()).fillna(0).astype(int),
        },
        images.index,
    )
    sound = images[(frame["problem"] == "") & (frame["captions"] > 0)]
    copies = sound.groupby(["sha256", "split"]).cumcount().reindex(images.index, fill_value=0)
    later = _copies_in_later_splits(sound).reindex(images.index, fill_value=0)
    compared = images.index.isin(sound.index) & (copies == 0) & (later == 0)
    duplicates = []
    if most_bits is not None:
        duplicates = find_near_duplicates(measurements.hashes.of_rows(compared), images["split"][compared], most_bits)
    is_near = images.index.isin([each.row for each in duplicates]).astype(int)
    return frame.assign(copy=copies, copies_in_later_splits=later, near_duplicates=is_near), duplicates


def _copies_in_later_splits(images: pd.DataFrame) -> pd.Series[int]:
    rank = images["split"].map({split: place for place, split in enumerate(SPLITS)})
    counts = pd.crosstab(images["sha256"], rank)
    later = counts.iloc[:, ::-1].cumsum(axis=1).iloc[:, ::-1] - counts  # copies in higher splits
    places = zip(images["sha256"], rank, strict=True)
    return pd.Series([later.at[sha, place] for sha, place in places], images.index, dtype=int)


def _escaped(names: Iterable[str]) -> list[str]:
    """Great Expectations writes values into its pages as they are."""
    return [html.escape(name) for name in names]


def _counts(pattern: re.Pattern[str], texts: list[str]) -> list[int]:
    return [len(pattern.findall(text)) for text in texts]
