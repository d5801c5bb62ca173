"""Images with all their captions, in batches of like length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.core.parallel import in_parallel
from pipeline.data.snapshot import Snapshot
from pipeline.model.vocabulary import PADDING, Vocabulary
from pipeline.storage.tables.corrections import CORRECTED
from pipeline.training.augmentation import is_mirrored, mirrored_words
from pipeline.training.features import FeatureStore

LIKE_LENGTH_BATCHES = 25

TokenIds = npt.NDArray[np.int32]


class Batch(NamedTuple):
    """Some images, and all captions of each."""

    features: npt.NDArray[np.float16]  # float16 [n, positions, channels]
    images: npt.NDArray[np.int32]  # int32 [captions], which of the n images a caption is of
    tokens: TokenIds  # int32 [captions, words + 1], `<start>`, words, `<end>`, padded to the batch's longest


@dataclass(frozen=True)
class Examples:
    """All pairs of one split, the captions of an image next to each other."""

    views: tuple[FeatureStore, ...]  # where the features of each view of the images lie
    shas: tuple[str, ...]  # the images
    starts: npt.NDArray[np.int64]  # int64 [images + 1], where each image's captions begin
    tokens: TokenIds  # int32 [captions, longest], padded
    lengths: npt.NDArray[np.int32]  # int32 [captions], tokens that are no padding
    mirrored: npt.NDArray[np.int32]  # int32 [vocabulary], the word that a word becomes in a mirrored view
    times: npt.NDArray[np.int64]  # int64 [images], how often each comes in an epoch

    @classmethod
    def of(
        cls,
        snapshot: Snapshot,
        split: str,
        vocabulary: Vocabulary,
        views: Sequence[FeatureStore],
        max_words: int,
        corrected_times: int = 1,
    ) -> Examples:
        """Every caption of every image of a split; corrected ones come several times in an epoch."""
        captions, images = snapshot.captions_of(split), snapshot.images
        shas = images.set_index("image")["sha256"].loc[captions["image"]].to_numpy()
        order = np.argsort(shas, kind="stable")
        encoded = [vocabulary.encode(caption, max_words) for caption in captions["caption"].to_numpy()[order]]
        distinct, counts = np.unique(shas[order], return_counts=True)
        lengths = np.array([len(ids) for ids in encoded], np.int32)
        tokens = np.full((len(encoded), lengths.max(initial=0)), PADDING, np.int32)
        for row, ids in zip(tokens, encoded, strict=True):
            row[: len(ids)] = ids
        starts = np.concatenate([[0], np.cumsum(counts)])
        corrected = images["sha256"][images["image"].str.startswith(CORRECTED)]
        times = np.where(np.isin(distinct, corrected), corrected_times, 1)
        return cls(tuple(views), tuple(distinct), starts, tokens, lengths, mirrored_words(vocabulary.words), times)

    def __len__(self) -> int:
        return len(self.shas)

    @cached_property
    def longest(self) -> npt.NDArray[np.int32]:
        """Tokens of each image's longest caption: int32 [images]."""
        return np.maximum.reduceat(self.lengths, self.starts[:-1])

    def captions(self) -> list[TokenIds]:
        """Each image's captions: int32 [captions, longest]."""
        return np.split(self.tokens, self.starts[1:-1])

    def batches(self, size: int, seed: int, epoch: int, done: int = 0) -> Iterator[Batch]:
        """An epoch's batches after those that are done, order and views fixed by (seed, epoch), prepared in a thread."""
        random = np.random.default_rng((seed, epoch, len(self.views)))
        view_of = random.integers(len(self.views), size=len(self))
        chosen = self.order(size, seed, epoch)[done:]
        yield from in_parallel(lambda each: self.batch(each, view_of[each]), chosen, threads=1)

    def order(self, size: int, seed: int, epoch: int) -> list[npt.NDArray[np.int64]]:
        """Images of each batch: shuffled, sorted by length within a few batches, batches shuffled."""
        random = np.random.default_rng((seed, epoch))
        shuffled = random.permutation(np.repeat(np.arange(len(self)), self.times))
        pools = np.array_split(shuffled, max(1, len(shuffled) // (size * LIKE_LENGTH_BATCHES)))
        alike = [pool[np.argsort(self.longest[pool], kind="stable")] for pool in pools]
        batches = [pool[start : start + size] for pool in alike for start in range(0, len(pool), size)]
        return [batches[index] for index in random.permutation(len(batches))]

    def batch(self, chosen: npt.NDArray[np.int64], views: npt.NDArray[np.int64]) -> Batch:
        """Some images, each in one of its views, with their captions."""
        counts = self.starts[chosen + 1] - self.starts[chosen]
        rows = np.concatenate([np.arange(*self.starts[[index, index + 1]]) for index in chosen])
        tokens = self.tokens[rows, : self.lengths[rows].max()]
        turned = np.repeat([is_mirrored(view) for view in views], counts)[:, None]  # [captions, 1]
        pairs = zip(chosen, views, strict=True)
        features = np.concatenate([self.views[view].gather([self.shas[index]]) for index, view in pairs])
        images = np.repeat(np.arange(len(chosen), dtype=np.int32), counts)
        return Batch(features, images, np.where(turned, self.mirrored[tokens], tokens))
