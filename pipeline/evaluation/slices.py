"""Where captions are good and where they are not: CIDEr-D by what people say of the picture."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from pipeline.metrics.ngrams import Tokens
from pipeline.metrics.tokenizer import tokenize
from pipeline.people import PEOPLE

RARE_BELOW = 10


def slice_scores(
    scores: Mapping[str, float], references: Mapping[str, Sequence[str]], training: Iterable[Tokens]
) -> dict[str, list[dict[str, Any]]]:
    """The mean score of each slice of a split.

    Args:
        scores: CIDEr-D by image, with the document frequencies of the whole split, so that slices compare.
        references: reference captions of each of these images.
        training: tokens of each training caption.

    Returns:
        For each of `length` (words of a reference), `people` (words for people in a reference, `people.PEOPLE`) and
        `rare_words` (words of a reference that training has fewer than 10 times) the slices in rising order. Each
        property is the mean over an image's references. `people` is cut at 0.5 and 1.5, which is 0, 1, 2 or more; the
        others at their thirds. Each slice has `from` and `to`, the least and greatest value in it; `count`, its
        images; `mean`, the mean score; and `standard_error` of that mean, None for a single image. Slices that no
        image is in are left out.
    """
    tokens = {image: [tokenize(text) for text in references[image]] for image in scores}
    counts = Counter(word for words in training for word in words)
    rare = {image: _mean_of(rows, lambda word: counts[word] < RARE_BELOW) for image, rows in tokens.items()}
    length = {image: fmean(map(len, rows)) for image, rows in tokens.items()}
    people = {image: _mean_of(rows, PEOPLE.__contains__) for image, rows in tokens.items()}
    return {
        "length": _slices(scores, length, _thirds(length)),
        "people": _slices(scores, people, (0.5, 1.5)),
        "rare_words": _slices(scores, rare, _thirds(rare)),
    }


def _mean_of(rows: Sequence[Tokens], counts: Callable[[str], bool]) -> float:
    return fmean(sum(map(counts, row)) for row in rows)


def _thirds(values: Mapping[str, float]) -> Sequence[float]:
    """The two values that cut the images in three, as far as equal values, which stay together, allow."""
    ordered = sorted(values.values())
    return [ordered[len(ordered) * part // 3] for part in (1, 2)]


def _slices(scores: Mapping[str, float], values: Mapping[str, float], cuts: Sequence[float]) -> list[dict[str, Any]]:
    """Slices from each cut up to below the next."""
    groups: dict[int, list[str]] = {}
    for image, value in values.items():
        groups.setdefault(bisect_right(cuts, value), []).append(image)
    return [
        _slice([scores[image] for image in group], [values[image] for image in group])
        for _, group in sorted(groups.items())
    ]


def _slice(scores: Sequence[float], values: Sequence[float]) -> dict[str, Any]:
    count = len(scores)
    return {
        "from": min(values),
        "to": max(values),
        "count": count,
        "mean": fmean(scores),
        "standard_error": stdev(scores) / math.sqrt(count) if count > 1 else None,
    }
