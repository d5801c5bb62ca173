"""How many words two captions differ by."""

from __future__ import annotations

from pipeline.metrics.tokenizer import tokenize


def edit_distance(first: str, second: str) -> int:
    """The fewest words that are changed, added or left out between two captions (Levenshtein, 1966), without case."""
    words, others = tokenize(first), tokenize(second)
    row = list(range(len(others) + 1))
    for done, word in enumerate(words, 1):
        diagonal, row[0] = row[0], done
        for place, other in enumerate(others, 1):
            diagonal, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, diagonal + (word != other))
    return row[-1]
