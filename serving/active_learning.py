"""Active learning: propose images for a person's caption, uncertain for the model and unlike each other."""

from __future__ import annotations

import logging
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from heapq import nsmallest
from itertools import compress, islice
from math import exp, inf
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core.errors import BadImage, BadInput, SettingsError
from pipeline.core.reasons import WITHHELD
from pipeline.imaging.decode import ImageLimits
from pipeline.imaging.sandbox import Work, decode_each
from pipeline.model.captioner import BundleCaptioner
from pipeline.storage.objects import Folder, ObjectInfo, address_of, images_of, open_folder
from pipeline.storage.tables import CAPTIONED, MODEL, QUARANTINED, CaptionTable

log = logging.getLogger(__name__)

UNCERTAIN, UNSEEN = "uncertain", "unseen"
_CHUNK = 64
_NOT_PROPOSED = "%s is not proposed: %s"
_LISTED = 16_384
_DOUBTED = ["image", "caption", "confidence", "score", "flags"]
ALIKE = 1e-3  # pooled embeddings nearer than that are of the same image

Embeddings = npt.NDArray[np.float32]


@dataclass(frozen=True)
class PickCandidate:
    """An image that a person might caption."""

    image: str
    reason: str  # `withheld`: too unsure to publish; `uncertain`: published; `unseen`: no night has captioned it
    caption: str | None = None
    confidence: float | None = None  # estimated CIDEr-D; None where the model was never calibrated
    score: float | None = None  # mean log-probability of a word
    distance: float | None = None  # from the nearest image picked before, 0 to 2; None for the first

    @property
    def doubt(self) -> float:
        """Low where a person is needed: the confidence, else the mean probability of a word."""
        if self.confidence is not None:
            return self.confidence
        return inf if self.score is None else exp(self.score)


def pick(
    table: CaptionTable,
    captioner: BundleCaptioner,
    count: int,
    pool: int,
    folder: str | None = None,
    without: Collection[str] = (),
) -> list[PickCandidate]:
    """At most `count` images most worth a caption, each as unlike those before it as can be.

    Few rows of the table are in memory at once, and the embeddings of the `pool` most doubtful candidates.

    Args:
        folder: only images below it, also those that no night has captioned; None for all images of the table.
        without: addresses of images that people have captioned elsewhere.
    """
    under = None if folder is None else f"{address_of(folder).rstrip('/')}/"
    candidates = doubtful(table, pool, under, without)
    if folder is not None:
        candidates += unseen(table, open_folder(folder, bound=False), pool, without)
    embedded = sorted(embed(captioner, candidates), key=lambda each: each[0].doubt)[:pool]
    if not embedded:
        return []
    picked = spread_out(np.stack([embedding for _, embedding in embedded]), count)
    return [replace(embedded[place][0], distance=distance) for place, distance in picked]


def doubtful(table: CaptionTable, size: int, under: str | None, without: Collection[str]) -> list[PickCandidate]:
    """The images with the least certain captions of a model, the least first; withheld ones without a later caption.

    Images with a flag (blank, dark and the like) are left out, as their captions would say little.
    """
    inside = pc.scalar(True) if under is None else pc.starts_with(pc.field("image"), under)
    by_model = (pc.field("status") == CAPTIONED) & (pc.field("source") == MODEL)
    withheld_by_model = (pc.field("status") == QUARANTINED) & (pc.field("reason") == WITHHELD)
    published = _least_sure(table.current_rows(by_model & inside, _DOUBTED), UNCERTAIN, size, without)
    withheld = _least_sure(table.batches(withheld_by_model & inside, _DOUBTED), WITHHELD, size, without)
    later = table.current([each.image for each in withheld])
    without_later = [each for each in withheld if each.image not in later]
    return nsmallest(size, [*without_later, *published], key=lambda each: each.doubt)


def unseen(table: CaptionTable, folder: Folder, size: int, without: Collection[str]) -> list[PickCandidate]:
    """An even sample of a folder's images that the table lacks; 8 bytes a row of the table are in memory."""
    batches = table.batches(pc.scalar(True), ["image"])
    hashes = [_hashes(batch["image"].to_numpy(zero_copy_only=False)) for batch in batches]
    in_table = np.unique(np.concatenate(hashes)) if hashes else np.zeros(0, np.uint64)
    new = ((key, uri) for key, uri in _new(images_of(folder), in_table) if uri not in without)
    return [PickCandidate(uri, UNSEEN) for _, uri in nsmallest(size, new)]


def embed(
    captioner: BundleCaptioner, candidates: Iterable[PickCandidate]
) -> Iterator[tuple[PickCandidate, Embeddings]]:
    """Candidates with their pooled embeddings, float32 [channels]; unreadable images are left out."""
    with closing(_pixels(captioner, candidates)) as readable:
        while chunk := list(islice(readable, _CHUNK)):
            squares = np.stack([square for _, square in chunk])
            captioned = _with_captions(captioner, [each for each, _ in chunk], squares)
            yield from zip(captioned, captioner.pooled_embeddings(squares), strict=True)


def spread_out(pooled_embeddings: Embeddings, count: int) -> list[tuple[int, float | None]]:
    """Places of at most `count` rows, each the farthest from those before it, and how far that is.

    Greedy k-centre (Gonzalez, 1985; to choose what is labelled: Sener and Savarese, ICLR 2018), from the first row on.
    Rows nearer than `ALIKE` to one before them are never chosen. Takes float [n, channels]; n and `count` are positive.
    """
    chosen: list[tuple[int, float | None]] = [(0, None)]
    nearest = np.full(len(pooled_embeddings), np.inf)
    while len(chosen) < count:
        nearest = np.minimum(nearest, np.linalg.norm(pooled_embeddings - pooled_embeddings[chosen[-1][0]], axis=1))
        place = int(nearest.argmax())
        if nearest[place] < ALIKE:
            break
        chosen.append((place, float(nearest[place])))
    return chosen


def _least_sure(
    batches: Iterable[pa.RecordBatch], reason: str, size: int, without: Collection[str]
) -> list[PickCandidate]:
    """The rows of most doubt, one an image; twice as many as are wanted are in memory at most, and a batch."""
    candidates: dict[str, PickCandidate] = {}
    for batch in batches:
        is_unflagged = pc.equal(pc.fill_null(pc.list_value_length(batch["flags"]), 0), 0)
        for row in batch.filter(is_unflagged).drop_columns(["flags"]).to_pylist():
            if row["image"] not in without:
                candidates[row["image"]] = PickCandidate(reason=reason, **row)
        if len(candidates) > 2 * size:
            candidates = {each.image: each for each in _first(candidates.values(), size)}
    return _first(candidates.values(), size)


def _first(candidates: Iterable[PickCandidate], size: int) -> list[PickCandidate]:
    return nsmallest(size, candidates, key=lambda each: (each.doubt, each.image))


def _new(listed: Iterator[ObjectInfo], in_table: npt.NDArray[np.uint64]) -> Iterator[tuple[int, str]]:
    """Hash and address of the objects that are not in the table."""
    while part := [info.uri for info in islice(listed, _LISTED)]:
        keys = _hashes(np.array(part, object))
        is_new = np.isin(keys, in_table, invert=True)
        yield from ((int(key), uri) for key, uri in compress(zip(keys, part, strict=True), is_new))


def _hashes(images: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    hashes: npt.NDArray[np.uint64] = pd.util.hash_array(images, categorize=False)
    return hashes


def _with_captions(
    captioner: BundleCaptioner, candidates: Sequence[PickCandidate], squares: npt.NDArray[np.uint8]
) -> list[PickCandidate]:
    """The candidates; unseen ones with the model's caption."""
    places = [place for place, each in enumerate(candidates) if each.reason == UNSEEN]
    captioned = list(candidates)
    for place, made in zip(places, captioner.caption(squares[places]) if places else [], strict=True):
        captioned[place] = replace(candidates[place], caption=made.text, confidence=made.confidence, score=made.score)
    return captioned


def _pixels(
    captioner: BundleCaptioner, candidates: Iterable[PickCandidate]
) -> Generator[tuple[PickCandidate, npt.NDArray[np.uint8]], None, None]:
    """Candidates with their squares, decoded in limited processes; the log names those that cannot be read."""
    work = Work.within(ImageLimits(), captioner.side, captioner.fit)
    with closing(decode_each(_bytes(candidates, work.limits), work)) as decoded:
        for each, result in decoded:
            if isinstance(result, BadImage):
                log.warning(_NOT_PROPOSED, each.image, result)
            else:
                yield each, result.pixels


def _bytes(candidates: Iterable[PickCandidate], limits: ImageLimits) -> Iterator[tuple[PickCandidate, bytes]]:
    for each in candidates:
        folder, _, name = each.image.rpartition("/")
        try:
            data = open_folder(folder or "/", bound=False).get(name, limits.max_bytes)
        except (BadInput, SettingsError) as error:  # the latter: its folder is gone
            log.warning(_NOT_PROPOSED, each.image, error)
        else:
            if data is not None:
                yield each, data
