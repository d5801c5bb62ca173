"""Where captions are good and where they are not: CIDEr-D by what people say of the image, and if they corrected it."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from pipeline.metrics.gendered_words import PEOPLE
from pipeline.metrics.ngrams import TokenSequence
from pipeline.metrics.tokenizer import tokenize
from pipeline.storage.tables.corrections import CORRECTED

RARE_BELOW = 10


@dataclass(frozen=True)
class Slice:
    """Images alike in one property, whose least value is `low` and greatest `high`."""

    low: float
    high: float
    images: tuple[str, ...]


def slices_of(references: Mapping[str, Sequence[str]], training: Iterable[TokenSequence]) -> dict[str, list[Slice]]:
    """The images of a split in slices, by what people say of them; slices that no image is in are left out.

    For each of `length` (words of a reference), `people` (words for people in a reference, `people.PEOPLE`) and
    `rare_words` (words of a reference that training has fewer than 10 times) the slices in rising order. Each property
    is the mean over an image's references. `people` is cut at 0.5 and 1.5, which is 0, 1, 2 or more; the others at
    their thirds. Where people corrected any image of the split, `corrected` has two slices: 0 others, 1 corrected ones.
    """
    tokens = {image: [tokenize(text) for text in texts] for image, texts in references.items()}
    counts = Counter(word for words in training for word in words)
    rare = {image: _mean_of(rows, lambda word: counts[word] < RARE_BELOW) for image, rows in tokens.items()}
    length = {image: fmean(map(len, rows)) for image, rows in tokens.items()}
    people = {image: _mean_of(rows, PEOPLE.__contains__) for image, rows in tokens.items()}
    corrected = {image: float(image.startswith(CORRECTED)) for image in references}
    return {
        "length": _cut(length, _thirds(length)),
        "people": _cut(people, (0.5, 1.5)),
        "rare_words": _cut(rare, _thirds(rare)),
    } | ({"corrected": _cut(corrected, (0.5,))} if any(corrected.values()) else {})


def label_of(name: str, part: Slice) -> str:
    """What a slice is called in a line."""
    if name == "corrected":
        return "corrected by people" if part.low else "not corrected"
    return f"{name} {part.low:.3g} to {part.high:.3g}"


def slice_scores(
    scores: Mapping[str, float], references: Mapping[str, Sequence[str]], training: Iterable[TokenSequence]
) -> dict[str, list[dict[str, Any]]]:
    """The mean score of each slice of `slices_of`; scores have the whole split's document frequencies, to compare.

    Each slice has `from` and `to`, the least and greatest value in it; `count`, its images; `mean`, the mean score; and
    `standard_error` of that mean, None for a single image.
    """
    slices = slices_of({image: references[image] for image in scores}, training)
    return {name: [_scored(part, scores) for part in parts] for name, parts in slices.items()}


def _mean_of(rows: Sequence[TokenSequence], counts: Callable[[str], bool]) -> float:
    return fmean(sum(map(counts, row)) for row in rows)


def _thirds(values: Mapping[str, float]) -> Sequence[float]:
    """The two values that cut the images in three, as far as equal values, which stay together, allow."""
    ordered = sorted(values.values())
    return [ordered[len(ordered) * part // 3] for part in (1, 2)]


def _cut(values: Mapping[str, float], cuts: Sequence[float]) -> list[Slice]:
    """Slices from each cut up to below the next."""
    groups: dict[int, list[str]] = {}
    for image, value in values.items():
        groups.setdefault(bisect_right(cuts, value), []).append(image)
    return [
        Slice(min(values[image] for image in group), max(values[image] for image in group), tuple(group))
        for _, group in sorted(groups.items())
    ]


def _scored(part: Slice, scores: Mapping[str, float]) -> dict[str, Any]:
    own, count = [scores[image] for image in part.images], len(part.images)
    return {
        "from": part.low,
        "to": part.high,
        "count": count,
        "mean": fmean(own),
        "standard_error": stdev(own) / math.sqrt(count) if count > 1 else None,
    }
