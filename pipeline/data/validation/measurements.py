"""What is measured of every image and caption, in any language, before rules judge it."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from pipeline.core.errors import BadImage, SourceChanged
from pipeline.core.reasons import MISSING, SOURCE_CHANGED
from pipeline.data.snapshot import check_images
from pipeline.data.sources.base import SPLITS, Source
from pipeline.data.validation.near_duplicates import NearDuplicate, find_near_duplicates
from pipeline.data.validation.perceptual_hash import PerceptualHash, PerceptualHashes, perceptual_hash
from pipeline.data.validation.text_checks import is_formula, links, personal_data
from pipeline.imaging.decode import ImageLimits, open_image

# Scripts written without spaces: kana and Han, where a sign is about a word; Thai, Lao, Burmese, Khmer, where five are.
_SIGNS = "\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff"
_LETTERS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
# Elsewhere a run of non-space that holds a letter or digit; anchored at its start, so that the search stays linear.
_WORD = re.compile(
    rf"[{_SIGNS}]|[{_LETTERS}]{{1,5}}|(?<![^\s{_SIGNS}{_LETTERS}])(?:_|[^\w\s])*[^\W_{_SIGNS}{_LETTERS}]"
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
    """Facts of captions: columns image, position, caption.

    Returns:
        row (the index), name (image, safe in HTML), position, and the counts words, characters,
        bad_characters, markup, personal (see `texts.personal_data`), links, formula, copy (0 for the first such caption of its image) and repeats (all
        such captions, whatever their spacing).
    """
    texts = captions["caption"].tolist()
    spoken = pd.Series([" ".join(text.split()) for text in texts], captions.index, dtype=str)
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
            "copy": spoken.groupby([captions["image"], spoken]).cumcount(),
            "repeats": spoken.map(spoken.value_counts()).astype(int),
        },
        captions.index,
    )


@dataclass(frozen=True)
class Measured:
    """What was seen of images when each was read and decoded once.

    Attributes:
        facts: columns problem (a reason, empty for none), width and height in pixels (0 where not decodable).
        looks: how each looks; zeros where it is not decodable.
    """

    facts: pd.DataFrame
    looks: PerceptualHashes


def measure(images: pd.DataFrame, source: Source, limits: ImageLimits) -> Measured:
    """Read and decode every image: columns image, uri, sha256.

    Args:
        images: the images.
        source: where the images are read.
        limits: what the decoder refuses.
    """
    there = images[images["sha256"] != ""]
    facts = dict.fromkeys(images["image"], (MISSING, 0, 0))
    looks: dict[str, PerceptualHash] = {}
    for image, _, data in check_images(source, there):
        facts[image], look = _measure(data, limits)
        if look is not None:
            looks[image] = look
    rows = [facts[image] for image in images["image"]]
    frame = pd.DataFrame(rows, images.index, columns=["problem", "width", "height"])
    return Measured(frame.astype({"problem": str}), PerceptualHashes.of(list(images["image"]), looks))


def image_facts(
    images: pd.DataFrame, captions: pd.Series[str], measured: Measured, most_bits: int | None
) -> tuple[pd.DataFrame, list[NearDuplicate]]:
    """Facts of images: columns image, uri, sha256, split, bytes.

    Args:
        images: the images.
        captions: the image of each accepted caption.
        measured: what was seen of the images.
        most_bits: see `find_near_duplicates`; None looks for none.

    Returns:
        row (the index), name (image, safe in HTML), split, bytes, width, height, problem, and the counts
        captions, copy (0 for the first sound image with these bytes in its split), judging (sound
        copies in splits that judge more) and lookalikes (1 where a sound one there looks the same); and
        these lookalikes.
    """
    frame = pd.DataFrame(
        {
            "row": images.index,
            "name": _escaped(images["image"]),
            "split": images["split"],
            "bytes": images["bytes"],
            **measured.facts,
            "captions": images["image"].map(captions.value_counts()).fillna(0).astype(int),
        },
        images.index,
    )
    sound = images[(frame["problem"] == "") & (frame["captions"] > 0)]
    copies = sound.groupby(["sha256", "split"]).cumcount().reindex(images.index, fill_value=0)
    judging = _copies_in_judging_splits(sound).reindex(images.index, fill_value=0)
    compared = images.index.isin(sound.index) & (copies == 0) & (judging == 0)
    found = []
    if most_bits is not None:
        found = find_near_duplicates(measured.looks.of_rows(compared), images["split"][compared], most_bits)
    alike = images.index.isin([each.row for each in found]).astype(int)
    return frame.assign(copy=copies, judging=judging, lookalikes=alike), found


def _measure(data: bytes | SourceChanged, limits: ImageLimits) -> tuple[tuple[str, int, int], PerceptualHash | None]:
    if isinstance(data, SourceChanged):
        return (SOURCE_CHANGED, 0, 0), None
    try:
        image = open_image(data, limits)
    except BadImage as error:
        return (error.reason, 0, 0), None
    return ("", image.width, image.height), perceptual_hash(image.image, image.width, image.height)


def _copies_in_judging_splits(images: pd.DataFrame) -> pd.Series[int]:
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
