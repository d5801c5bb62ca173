"""Pairs of a picture and a caption, in batches of like length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from queue import Queue
from threading import Event, Thread
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.features import FeatureStore
from pipeline.snapshot import Snapshot
from pipeline.vocabulary import PADDING, Vocabulary

LIKE_LENGTH_BATCHES = 50
PREFETCH = 4

Tokens = npt.NDArray[np.int32]


class Batch(NamedTuple):
    """Pictures beside captions.

    Attributes:
        features: float16 [n, positions, channels].
        tokens: int32 [n, words + 1], `<start>`, words, `<end>`, padded to the batch's longest.
    """

    features: npt.NDArray[np.float16]
    tokens: Tokens


@dataclass(frozen=True)
class Examples:
    """All pairs of one split.

    Attributes:
        features: where the pictures' features lie.
        shas: the picture of each pair.
        tokens: int32 [pairs, longest], padded.
        lengths: int32 [pairs], tokens that are no padding.
    """

    features: FeatureStore
    shas: tuple[str, ...]
    tokens: Tokens
    lengths: npt.NDArray[np.int32]

    @classmethod
    def of(
        cls, snapshot: Snapshot, split: str, vocabulary: Vocabulary, features: FeatureStore, max_words: int
    ) -> Examples:
        """Every caption of every picture of a split."""
        captions = snapshot.captions_of(split)
        shas = snapshot.images.set_index("image")["sha256"].loc[captions["image"]]
        encoded = [vocabulary.encode(caption, max_words) for caption in captions["caption"]]
        lengths = np.array([len(ids) for ids in encoded], np.int32)
        tokens = np.full((len(encoded), lengths.max(initial=0)), PADDING, np.int32)
        for row, ids in zip(tokens, encoded, strict=True):
            row[: len(ids)] = ids
        return cls(features, tuple(shas), tokens, lengths)

    def __len__(self) -> int:
        return len(self.shas)

    def batches(self, size: int, seed: int, epoch: int) -> Iterator[Batch]:
        """An epoch's batches, their order fixed by (seed, epoch), prepared ahead in a thread."""
        yield from _ahead(self._gather(rows) for rows in self.order(size, seed, epoch))

    def order(self, size: int, seed: int, epoch: int) -> list[npt.NDArray[np.int64]]:
        """Rows of each batch: shuffled, sorted by length within a few batches, batches shuffled."""
        random = np.random.default_rng((seed, epoch))
        rows = random.permutation(len(self))
        pools = np.array_split(rows, max(1, len(rows) // (size * LIKE_LENGTH_BATCHES)))
        alike = [pool[np.argsort(self.lengths[pool], kind="stable")] for pool in pools]
        batches = [pool[start : start + size] for pool in alike for start in range(0, len(pool), size)]
        return [batches[index] for index in random.permutation(len(batches))]

    def _gather(self, rows: npt.NDArray[np.int64]) -> Batch:
        tokens = self.tokens[rows, : self.lengths[rows].max()]
        return Batch(self.features.gather([self.shas[row] for row in rows]), tokens)


def _ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Prepare the next batches while this one is used; an error while preparing is raised here."""
    queue: Queue[Batch | BaseException | None] = Queue(PREFETCH)
    stopped = Event()
    thread = Thread(target=_fill, args=(batches, queue, stopped), daemon=True)
    thread.start()
    try:
        while (item := queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        while thread.is_alive():
            _drain(queue)
            thread.join(0.05)


def _fill(batches: Iterator[Batch], queue: Queue[Batch | BaseException | None], stopped: Event) -> None:
    try:
        for batch in batches:
            if stopped.is_set():
                return
            queue.put(batch)
        queue.put(None)
    except BaseException as error:  # handed to the thread that consumes
        queue.put(error)


def _drain(queue: Queue[Batch | BaseException | None]) -> None:
    while not queue.empty():
        queue.get_nowait()
