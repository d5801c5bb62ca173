"""What is measured of every picture and caption, in any language, before rules judge it."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

import pandas as pd

from pipeline.errors import BadImage, SourceChanged
from pipeline.images import ImageLimits, open_picture
from pipeline.snapshot import check_images
from pipeline.sources.base import SPLITS, Source
from pipeline.validation.reasons import MISSING, SOURCE_CHANGED

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
        bad_characters, markup, copy (0 for the first such caption of its image) and repeats (all
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
            "copy": spoken.groupby([captions["image"], spoken]).cumcount(),
            "repeats": spoken.map(spoken.value_counts()).astype(int),
        },
        captions.index,
    )


def image_facts(images: pd.DataFrame, captions: pd.Series[str], source: Source, limits: ImageLimits) -> pd.DataFrame:
    """Facts of images: columns image, uri, sha256, split, bytes. Every picture is read and decoded.

    Args:
        images: the images.
        captions: the image of each accepted caption.
        source: where the pictures are read.
        limits: what the decoder refuses.

    Returns:
        row (the index), name (image, safe in HTML), split, bytes, width and height in pixels (0
        where not decodable), problem (a reason, empty for none), and the counts captions, copy (0
        for the first sound picture with these bytes in its split) and judging (sound copies in
        splits that judge more).
    """
    measured = _measured(images, source, limits)
    frame = pd.DataFrame(
        {
            "row": images.index,
            "name": _escaped(images["image"]),
            "split": images["split"],
            "bytes": images["bytes"],
            **{key: images["image"].map(measured[key]) for key in measured.columns},
            "captions": images["image"].map(captions.value_counts()).fillna(0).astype(int),
        },
        images.index,
    )
    sound = images[(frame["problem"] == "") & (frame["captions"] > 0)]
    copies = sound.groupby(["sha256", "split"]).cumcount()
    return frame.assign(
        copy=copies.reindex(images.index, fill_value=0),
        judging=_copies_in_judging_splits(sound).reindex(images.index, fill_value=0),
    )


def _measured(images: pd.DataFrame, source: Source, limits: ImageLimits) -> pd.DataFrame:
    """Columns problem, width and height, by image."""
    there = images[images["sha256"] != ""]
    facts = dict.fromkeys(images["image"], (MISSING, 0, 0))
    facts |= {image: _measure(data, limits) for image, _, data in check_images(source, there)}
    return pd.DataFrame.from_dict(facts, orient="index", columns=["problem", "width", "height"])


def _measure(data: bytes | SourceChanged, limits: ImageLimits) -> tuple[str, int, int]:
    if isinstance(data, SourceChanged):
        return SOURCE_CHANGED, 0, 0
    try:
        picture = open_picture(data, limits)
    except BadImage as error:
        return error.reason, 0, 0
    return "", picture.width, picture.height


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
