"""The profile of an accepted snapshot, and the drift of another from it.

A drift is the Jensen-Shannon distance of two distributions (Lin, 1991): 0 for equal ones, 1 for those that share
nothing. The part that chance alone explains is taken off, as estimated from the two halves of the newer snapshot.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.data.snapshot import Snapshot
from pipeline.data.validation.perceptual_hash import STATISTICS, PerceptualHashes
from pipeline.metrics.divergence import jensen_shannon
from pipeline.model.vocabulary import standardize

_LISTED = 5_000  # words at most that a profile names
LEAST = 3  # images that must have a word for it to be named, so that no single person's words are kept
FREQUENT = 300  # words whose frequencies are compared; rarer ones differ by chance
_LONGEST = 60
_CHANCE = 2.0  # times what the halves differ; one snapshot of 20 images then shows no drift from its own kind

_EDGES = {
    "brightness": np.linspace(0, 1, 11),
    "contrast": np.linspace(0, 1, 11),
    "saturation": np.linspace(0, 1, 11),
    "shape": np.array([-np.inf, -1.2, -0.8, -0.5, -0.2, -0.05, 0.05, 0.2, 0.5, 0.8, 1.2, np.inf]),
    "megapixels": np.array([0, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.3, 2.6, 5, 10, 20, np.inf]),
}

PROFILE_KEYS = ("images", "lengths", "words", "other_words", *STATISTICS)  # what a comparison reads

# Each drift: its description, and the constant of `ValidationSettings` that limits it.
DRIFTS = {
    "length_drift": ("the lengths of captions differ", "max_length_drift"),
    "word_drift": ("the frequencies of common words differ", "max_word_drift"),
    "new_words": ("the share of words that were not there grows", "max_new_words"),
    **{f"{name}_drift": (f"the {name} of images differs", "max_image_drift") for name in STATISTICS},
}

Profile = dict[str, Any]
WordCounts = dict[str, int]


def full_profile(snapshot: Snapshot, hashes: PerceptualHashes) -> Profile:
    """All that is compared of a snapshot: counts, and those of images in the bins of each of `STATISTICS`."""
    by_image: dict[str, list[list[str]]] = defaultdict(list)  # the words of each caption
    for image, text in zip(snapshot.captions["image"], snapshot.captions["caption"], strict=True):
        by_image[image].append(standardize(text).split())
    counts = Counter(word for captions in by_image.values() for words in captions for word in words)
    lengths = Counter(min(len(words), _LONGEST) for captions in by_image.values() for words in captions)
    return {
        "images": len(snapshot.images),
        "captions": len(snapshot.captions),
        "vocabulary": len(counts),
        "lengths": {str(length): lengths[length] for length in sorted(lengths)},  # captions by number of words
        "words": dict(counts.most_common()),  # occurrences
        "images_by_word": dict(Counter(word for captions in by_image.values() for word in set(chain(*captions)))),
        "other_words": 0,
        **_binned(hashes),
    }


def stored_profile(profile: Profile) -> Profile:
    """The part of a full profile that is stored: only words that several images have; the rest are other_words."""
    words, images = profile["words"], profile["images_by_word"]
    listed = {word: words[word] for word in list(words)[:_LISTED] if images[word] >= LEAST}
    rest = {name: value for name, value in profile.items() if name != "images_by_word"}
    return rest | {"words": listed, "other_words": sum(words.values()) - sum(listed.values())}


def half_profiles(snapshot: Snapshot, hashes: PerceptualHashes) -> tuple[Profile, Profile]:
    """Full profiles of two halves of a snapshot, split by digest."""
    odd = snapshot.images["sha256"].str[-1].isin(list("13579bdf")).to_numpy()
    return _half(snapshot, hashes, odd), _half(snapshot, hashes, ~odd)


def profile_drift(new: Profile, halves: tuple[Profile, Profile], reference: Profile) -> dict[str, float]:
    """Each of `DRIFTS` of a full profile, with those of its halves, from an earlier profile."""
    frequent = frozenset(sorted(reference["words"], key=lambda word: (-reference["words"][word], word))[:FREQUENT])

    def distance(counts: Callable[[Profile], WordCounts]) -> float:
        chance = _divergence(counts(halves[0]), counts(halves[1])) / 4 * (1 + new["images"] / reference["images"])
        return math.sqrt(max(0.0, _divergence(counts(new), counts(reference)) - _CHANCE * chance))

    return {
        "length_drift": distance(itemgetter("lengths")),
        "word_drift": distance(lambda profile: _folded(profile, frequent)),
        "new_words": max(0.0, _unlisted(new, reference) - _unlisted(reference, reference)),
        **{f"{name}_drift": distance(itemgetter(name)) for name in STATISTICS},
    }


def _half(snapshot: Snapshot, hashes: PerceptualHashes, rows: npt.NDArray[np.bool_]) -> Profile:
    images = snapshot.images[rows]
    captions = snapshot.captions[snapshot.captions["image"].isin(images["image"])]
    return full_profile(Snapshot(images, captions, snapshot.objects), hashes.of_rows(rows))


def _binned(hashes: PerceptualHashes) -> dict[str, WordCounts]:
    """Images in the bins of each statistic."""
    return {
        name: {str(place): int(count) for place, count in enumerate(np.histogram(column, _EDGES[name])[0])}
        for name, column in zip(STATISTICS, hashes.statistics.T, strict=True)
    }


def _folded(profile: Profile, frequent: frozenset[str]) -> WordCounts:
    """Occurrences of frequent words, and of all others together."""
    counts = {word: count for word, count in profile["words"].items() if word in frequent}
    return counts | {"": sum(profile["words"].values()) + profile["other_words"] - sum(counts.values())}


def _unlisted(profile: Profile, reference: Profile) -> float:
    """The share of a profile's words that the reference does not name."""
    named: int = sum(count for word, count in profile["words"].items() if word in reference["words"])
    return 1 - named / max(1, int(sum(profile["words"].values())) + int(profile["other_words"]))


def _divergence(first: WordCounts, second: WordCounts) -> float:
    """Jensen-Shannon divergence in bits of two distributions given by counts; 0 where one is empty."""
    if not sum(first.values()) or not sum(second.values()):
        return 0.0
    keys = sorted(first.keys() | second.keys())
    return float(jensen_shannon(*(np.array([counts.get(key, 0) for key in keys]) for counts in (first, second))))
