"""CHAIR: objects that captions name and images do not show (Rohrbach et al., EMNLP 2018)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml

from pipeline.metrics.gendered_words import PEOPLE
from pipeline.metrics.tokenizer import tokenize

COCO_OBJECTS = Path(__file__).with_name("coco_objects.yaml")

ObjectMention = frozenset[str]
"""One object in a caption: the categories that its words may mean, mostly one."""


@dataclass(frozen=True)
class Lexicon:
    """Finds the objects in captions by their words."""

    # phrases in lower case, word by word; a phrase that means no category hides the shorter ones in it
    meanings: Mapping[tuple[str, ...], ObjectMention]

    @classmethod
    def of(cls, categories: Mapping[str, Collection[str]], not_objects: Collection[str] = ()) -> Lexicon:
        """From each category's phrases, with the regular plurals of their last words."""
        meanings: dict[tuple[str, ...], ObjectMention] = {
            form: frozenset() for text in not_objects for form in _forms(text)
        }
        for category, phrases in categories.items():
            for form in {form for text in phrases for form in _forms(text)}:
                meanings[form] = meanings.get(form, frozenset()) | {category}
        return cls(meanings)

    @cached_property
    def categories(self) -> frozenset[str]:
        """Every category that some phrase means."""
        return frozenset().union(*self.meanings.values())

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self.meanings))

    def mentions(self, caption: str) -> list[ObjectMention]:
        """The objects in a caption, in order, repeats included; of overlapping phrases the longest from the left."""
        return [mention for mention in self._phrases(tokenize(caption.replace("-", " "))) if mention]

    def _phrases(self, words: Sequence[str]) -> Iterator[ObjectMention]:
        start = 0
        while start < len(words):
            phrases = (tuple(words[start : start + size]) for size in range(self._longest, 0, -1))
            phrase = next((phrase for phrase in phrases if phrase in self.meanings), None)
            if phrase:
                yield self.meanings[phrase]
            start += len(phrase or "_")


@cache
def coco_lexicon() -> Lexicon:
    """The 80 object categories of COCO, by our own list of words (`coco_objects.yaml`)."""
    lists: dict[str, Any] = yaml.safe_load(COCO_OBJECTS.read_text(encoding="utf-8"))
    lists["categories"]["person"] += sorted(PEOPLE)
    return Lexicon.of(lists["categories"], lists["not_objects"])


def chair(
    captions: Mapping[str, str],
    present: Mapping[str, Collection[str]],
    mentions: Callable[[str], Sequence[ObjectMention]],
) -> dict[str, float]:
    """How often captions name objects that are not in the image.

    `present` has the categories that are truly in each image, `mentions` finds the objects in a caption. The results
    are shares in [0, 1], each 0 where there is nothing to count. `chair_i`: of all mentions, repeats included, those
    none of whose meanings is in the image. `chair_s`: of all captions, those with such a mention. `recall`: of the
    categories in the images, those their captions name. `naming`: of all captions, those that name anything.
    """
    named = {image: mentions(caption) for image, caption in captions.items()}
    shown = {image: frozenset(present[image]) for image in captions}
    wrong = {image: sum(not mention & shown[image] for mention in objects) for image, objects in named.items()}
    recalled = [len(shown[image].intersection(frozenset().union(*objects))) for image, objects in named.items()]
    return {
        "chair_i": _share(sum(wrong.values()), sum(map(len, named.values()))),
        "chair_s": _share(sum(map(bool, wrong.values())), len(captions)),
        "recall": _share(sum(recalled), sum(map(len, shown.values()))),
        "naming": _share(sum(map(bool, named.values())), len(captions)),
    }


def _forms(text: str) -> set[tuple[str, ...]]:
    """A phrase and its regular plurals, correct or not, word by word."""
    *head, last = text.split()
    plurals = [f"{last}s", f"{last}es", *([f"{last[:-1]}ies"] if last.endswith("y") else [])]
    return {(*head, word) for word in (last, *plurals)}


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
