"""What a replay sends through once more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from pipeline.storage.tables.commits import BATCH_ROWS, batches_of
from pipeline.storage.tables.schema import QUARANTINED, USABLE, one_of

Key = tuple[str, str]

_KEY = ["image", "etag"]


@dataclass(frozen=True)
class Replay:
    """Which images to send through again.

    Attributes:
        reasons: images that are quarantined for one of these; empty for any reason.
        night: only what this night did; with it and without reasons, what it captioned too.
        images: only these; empty for all.
        model: name and version of the pinned model; what it has captioned is not captioned again.
    """

    reasons: frozenset[str] = frozenset()
    night: str | None = None
    images: frozenset[str] = frozenset()
    model: tuple[str, str] = ("", "")

    @property
    def is_recaption(self) -> bool:
        """Whether captioned images are meant, too."""
        return self.night is not None and not self.reasons


def again(history: ds.Dataset, replay: Replay) -> Iterator[pa.RecordBatch]:
    """Batches of `image` and `etag`, each pair once; only such pairs are in memory."""
    wanted = _candidates(history, replay)
    for batch in batches_of(history, _ending(replay), [*_KEY, "captioned_at"]):
        for key, time in _dated(batch):
            if key in wanted and (replay.is_recaption or time >= wanted[key]):
                del wanted[key]
    keys = list(wanted)
    for start in range(0, len(keys), BATCH_ROWS):
        images, etags = zip(*keys[start : start + BATCH_ROWS], strict=True)
        yield pa.record_batch([pa.array(images, pa.string()), pa.array(etags, pa.string())], names=_KEY)


def _candidates(history: ds.Dataset, replay: Replay) -> dict[Key, int]:
    """When each pair last was what the replay is for."""
    condition = pc.field("status") == QUARANTINED
    if replay.is_recaption:
        condition = pc.field("night") == replay.night
    elif replay.night is not None:
        condition &= pc.field("night") == replay.night
    if replay.reasons:
        condition &= one_of("reason", replay.reasons)
    if replay.images:
        condition &= one_of("image", replay.images)
    found: dict[Key, int] = {}
    for batch in batches_of(history, condition, [*_KEY, "captioned_at"]):
        for key, time in _dated(batch):
            found[key] = max(time, found.get(key, time))
    return found


def _ending(replay: Replay) -> ds.Expression:
    """The rows after which an image is not sent through again."""
    if replay.is_recaption:
        name, version = replay.model
        return USABLE & (pc.field("model_name") == name) & (pc.field("model_version") == version)
    other = (pc.field("status") == QUARANTINED) & ~one_of("reason", replay.reasons)
    return USABLE | other if replay.reasons else USABLE


def _dated(batch: pa.RecordBatch) -> Iterator[tuple[Key, int]]:
    times = batch["captioned_at"].cast(pa.int64()).to_pylist()
    return zip(zip(batch["image"].to_pylist(), batch["etag"].to_pylist(), strict=True), times, strict=True)
