"""Which images a replay processes once more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from pipeline.storage.tables.commits import BATCH_ROWS, batches_of
from pipeline.storage.tables.schema import QUARANTINED, USABLE, one_of

Key = tuple[str, str]
Age = tuple[int | None, int]  # sequence, and microseconds since 1970

_KEY = ["image", "etag"]
_AGE = ["sequence", "captioned_at"]


@dataclass(frozen=True)
class Replay:
    """Which images to process again."""

    reasons: frozenset[str] = frozenset()  # images that are quarantined for one of these; empty for any reason
    night: str | None = None  # only images of this night; without reasons its captioned ones, too
    images: frozenset[str] = frozenset()  # only these; empty for all
    model: tuple[str, str] = ("", "")  # pinned name and version; images that it captioned are not captioned again

    @property
    def is_recaption(self) -> bool:
        """Whether captioned images are replayed, too."""
        return self.night is not None and not self.reasons


def replayed_images(history: ds.Dataset, replay: Replay) -> Iterator[pa.RecordBatch]:
    """Batches of string columns `image` and `etag`, each pair once; only such pairs are in memory."""
    wanted = _candidates(history, replay)
    for batch in batches_of(history, _settled(replay), [*_KEY, *_AGE]):
        for key, age in _aged_keys(batch):
            if key in wanted and (replay.is_recaption or not _is_older(age, wanted[key])):
                del wanted[key]
    keys = list(wanted)
    for start in range(0, len(keys), BATCH_ROWS):
        images, etags = zip(*keys[start : start + BATCH_ROWS], strict=True)
        yield pa.record_batch([pa.array(images, pa.string()), pa.array(etags, pa.string())], names=_KEY)


def _candidates(history: ds.Dataset, replay: Replay) -> dict[Key, Age]:
    """Each pair that the replay selects, with the age of its last such row."""
    condition = pc.field("status") == QUARANTINED
    if replay.is_recaption:
        condition = pc.field("night") == replay.night
    elif replay.night is not None:
        condition &= pc.field("night") == replay.night
    if replay.reasons:
        condition &= one_of("reason", replay.reasons)
    if replay.images:
        condition &= one_of("image", replay.images)
    latest: dict[Key, Age] = {}
    for batch in batches_of(history, condition, [*_KEY, *_AGE]):
        for key, age in _aged_keys(batch):
            if key not in latest or _is_older(latest[key], age):
                latest[key] = age
    return latest


def _settled(replay: Replay) -> ds.Expression:
    """Condition on rows after which an image is not replayed."""
    if replay.is_recaption:
        name, version = replay.model
        return USABLE & (pc.field("model_name") == name) & (pc.field("model_version") == version)
    other = (pc.field("status") == QUARANTINED) & ~one_of("reason", replay.reasons)
    return USABLE | other if replay.reasons else USABLE


def _aged_keys(batch: pa.RecordBatch) -> Iterator[tuple[Key, Age]]:
    keys = zip(batch["image"].to_pylist(), batch["etag"].to_pylist(), strict=True)
    times = batch["captioned_at"].cast(pa.int64()).to_pylist()
    return zip(keys, zip(batch["sequence"].to_pylist(), times, strict=True), strict=True)


def _is_older(age: Age, than: Age) -> bool:
    """By sequence, as a clock may be wrong for a night; by time if a row has none."""
    return age < than if age[0] is not None and than[0] is not None else age[1] < than[1]
