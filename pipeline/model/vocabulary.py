"""Words and their ids. The words are adapted elsewhere; this is what a trained model carries."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pipeline.core.errors import BundleRejected
from pipeline.metrics.normalisation import NORMALISATION, joined, normalised
from pipeline.storage.files import write_text

PADDING, UNKNOWN, START, END = range(4)
SPECIAL = ("", "[UNK]", "<start>", "<end>")
_JOINERS = {  # apostrophes and hyphens, geresh and gershayim, by the form that they are of
    1: frozenset("'-\u2019\u2010\u2011"),
    2: frozenset("'-\u05f3\u05f4"),
}


def standardize(caption: str, normalisation: int = NORMALISATION) -> str:
    """Lower-case words of any language between single spaces, of signs only apostrophes and hyphens between letters.

    In form 1, spaces alone part the words of every script, and typographic variants stay.
    """
    text = caption if normalisation == 1 else normalised(caption)
    text = unicodedata.normalize("NFC", text.lower())  # lower-casing may take letters apart
    kept = [char if _belongs(text, index, normalisation) else " " for index, char in enumerate(text)]
    return " ".join("".join(kept).split())


def _belongs(text: str, index: int, normalisation: int) -> bool:
    char = text[index]
    if char == "\u00b7":  # Catalan's l\u00b7l
        return normalisation > 1 and text[index - 1 : index + 2] == "l\u00b7l"
    if char in _JOINERS[normalisation]:
        return 0 < index < len(text) - 1 and text[index - 1].isalnum() and text[index + 1].isalnum()
    return unicodedata.category(char)[0] not in "PSZC"


@dataclass(frozen=True)
class Vocabulary:
    """An ordered list of words: the id of a word is its place in the list."""

    words: tuple[str, ...]  # `""` (padding), `[UNK]`, `<start>`, `<end>`, then the words, the most frequent first
    normalisation: int = NORMALISATION  # the form in which captions become these words, and these a caption

    def __post_init__(self) -> None:
        if self.words[: len(SPECIAL)] != SPECIAL:
            raise BundleRejected(f"a vocabulary must begin with {SPECIAL}, this one begins with {self.words[:4]}")
        if len(set(self.words)) != len(self.words):
            raise BundleRejected("a word stands twice in the vocabulary, so ids are ambiguous")

    @classmethod
    def of(cls, words: Iterable[str]) -> Vocabulary:
        """A vocabulary of ordinary words, the special ones put before them."""
        return cls((*SPECIAL, *words))

    @classmethod
    def read(cls, path: Path, normalisation: int = NORMALISATION) -> Vocabulary:
        """Read `vocabulary.txt`, one word a line."""
        return cls(tuple(path.read_text(encoding="utf-8").removesuffix("\n").split("\n")), normalisation)

    def write(self, path: Path) -> None:
        """Write `vocabulary.txt`, one word a line."""
        write_text(path, "\n".join(self.words) + "\n")

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def ids(self) -> dict[str, int]:
        """The id of each word."""
        return {word: index for index, word in enumerate(self.words)}

    def encode(self, caption: str, max_words: int) -> list[int]:
        """`<start>`, at most `max_words` words of a raw caption, `<end>`."""
        words = standardize(caption, self.normalisation).split()[:max_words]
        return [START, *(self.ids.get(word, UNKNOWN) for word in words), END]

    def decode(self, ids: Sequence[int]) -> str:
        """The words up to `<end>`, special ones left out."""
        ids = list(ids)
        ids = ids[: ids.index(END)] if END in ids else ids
        words = [self.words[index] for index in ids if index >= len(SPECIAL)]
        return " ".join(words) if self.normalisation == 1 else joined(words)
