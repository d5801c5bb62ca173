"""Caption health: faults that n-gram scores ignore or even reward."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from pipeline.metrics.ngrams import TokenSequence
from pipeline.metrics.tokenizer import tokenize

_UNKNOWN = "[UNK]"

# Without the function words that people do end captions with (outside, behind, up, other, can).
_DANGLING = """
    a an the this that these those its his their my your our whose
    about across against along amid among amongst as at atop before beneath beside between by during for from in into
    like near next of on onto per than through to toward towards under until upon via while with within without
    and but or nor so if because although though when where which who
    is are was were be been being am has have had having do does did could will would shall should may might must
    very every such 's n't
"""
DANGLING_WORDS = frozenset(_DANGLING.split())


@dataclass(frozen=True)
class Health:
    """Health of a set of captions: shares in [0, 1], except for `words_used` and `mean_words`.

    Words are those of `tokenize`, which also decides whether captions are equal; `[UNK]` counts as one.
    """

    dangling: float  # captions that end in one of `DANGLING_WORDS`
    repeated: float  # captions in which a word or a pair of words comes twice in a row
    unknown: float  # captions with `[UNK]`
    empty: float  # captions without a word
    unique: float  # number of different captions by number of captions
    most_frequent: float  # captions that equal the most frequent one
    words_used: int  # number of different words
    mean_words: float

    def as_dict(self) -> dict[str, float]:
        """The values by name."""
        return asdict(self)


def caption_health(captions: Sequence[str]) -> Health:
    """Health of captions as they are shown to people; all zero without captions."""
    rows = [tokenize(caption.replace(_UNKNOWN, "unk")) for caption in captions]
    frequent = Counter(map(tuple, rows))
    count = max(1, len(rows))
    return Health(
        dangling=sum(row[-1] in DANGLING_WORDS for row in rows if row) / count,
        repeated=sum(_repeats(row) for row in rows) / count,
        unknown=sum(_UNKNOWN in caption for caption in captions) / count,
        empty=sum(not row for row in rows) / count,
        unique=len(frequent) / count,
        most_frequent=max(frequent.values(), default=0) / count,
        words_used=len({word for row in rows for word in row}),
        mean_words=sum(map(len, rows)) / count,
    )


def _repeats(words: TokenSequence) -> bool:
    return any(
        words[at : at + size] == words[at + size : at + 2 * size]
        for size in (1, 2)
        for at in range(len(words) - 2 * size + 1)
    )
