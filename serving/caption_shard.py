"""Caption one shard of a planned run, part by part."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core.errors import BadInput, BundleRejected, FileDamaged
from pipeline.core.parallel import in_parallel
from pipeline.core.reasons import FUTURE_DATE, UNUSABLE
from pipeline.imaging.decode import check_bytes
from pipeline.imaging.sandbox import Decoders
from pipeline.model.interface import Caption, Captioner, PinnedModel
from pipeline.storage.files import read_json, sha256, write_json, write_parquet
from pipeline.storage.objects import Folder, ObjectInfo
from pipeline.storage.tables import CAPTIONED, MODEL, QUARANTINED, SCHEMA
from pipeline.storage.tables.delta_log import is_whole
from serving.runs.lifecycle import was_published_meanwhile
from serving.runs.part_file import keep_reference, with_part_columns
from serving.runs.plan_file import WRONG_CLOCK, Plan
from serving.runs.settings import NightSettings
from serving.runs.withholding import is_refused, why_withheld

log = logging.getLogger(__name__)

Loader = Callable[[PinnedModel], Captioner]

_BATCH = 64  # images that are captioned while others of their part are decoded


@dataclass
class ShardImage:
    """An image on its way into a part."""

    row: dict[str, Any]  # of the table, as far as it is known; with a `reason` if the image is quarantined
    pixels: np.ndarray | None = None  # uint8 [side, side, 3] for the model; None if it need not see the image, or has
    caption: Caption | None = None


@dataclass(frozen=True)
class _Part:
    path: Path
    images: list[ObjectInfo]


def caption_shard(plan_path: str | Path, shard: int, load: Loader) -> dict[str, Any]:
    """Caption the images that the shard lacks; a retry repeats at most one part.

    The model is loaded only if an image is left to caption. After the plan's deadline no part is begun, and its images
    are `left`. No image is quarantined because the input or all decoding failed.

    Returns:
        Small JSON: `shard`, `captioned`, `quarantined`, `left` and `reasons` (quarantined by reason).
    """
    plan = Plan.read(plan_path)
    if not plan.is_published:
        try:
            _finish_shard(plan, shard, load)
        except FileNotFoundError:  # perhaps the attempt that published the run has removed the parts
            if not was_published_meanwhile(plan):
                raise
        except FileDamaged:  # or the list is without images that were forgotten since the run was published
            if not plan.is_in_table:
                raise
    return dict(read_json(plan.shard_file(shard)))


def _finish_shard(plan: Plan, shard: int, load: Loader) -> None:
    """Write the missing parts and the shard's counts, unless another attempt publishes the run first."""
    images, size = plan.images(shard), plan.settings.part_size
    parts = [_Part(path, images[place * size :][:size]) for place, path in enumerate(plan.part_files(shard))]
    missing = [part for part in parts if not is_whole(part.path)]
    if missing and not _is_past_deadline(plan):
        _caption_parts(plan, missing, load(plan.model))
    counts = {"shard": shard, **_count(parts)}
    if was_published_meanwhile(plan):  # and the parts were gone when they were counted
        return
    write_json(plan.shard_file(shard), counts)
    if not was_published_meanwhile(plan, plan.shard_file(shard)):
        log.info("shard %d of %d: %s", shard + 1, len(plan.shards), counts)


def _caption_parts(plan: Plan, missing: list[_Part], captioner: Captioner) -> None:
    _require_pinned(captioner, plan.model)
    keep_reference(plan.reference_file, captioner)
    started = time.monotonic()
    with closing(_prefetch(plan, missing, captioner)) as prefetched:
        for part, decoded in prefetched:
            images = _caption_part(captioner, plan.settings, decoded)
            captions = [image.caption for image in images]
            write_parquet(part.path, with_part_columns(_rows(plan, images), captions, time.monotonic() - started))
            if was_published_meanwhile(plan, part.path):
                return
            started = time.monotonic()


def decode_image(folder: Folder, info: ObjectInfo, decoders: Decoders, settings: NightSettings) -> ShardImage:
    """Read, check, decode and resize one image; a bad one gets the `reason` of its quarantine."""
    image = ShardImage({"image": info.uri, "etag": info.etag})
    try:
        check_bytes(info.size, decoders.work.limits)
        data = folder.read(info)
        image.row["sha256"] = sha256(data)
        decoded = decoders.decode(data)
        image.row |= {"width": decoded.width, "height": decoded.height, "flags": decoded.flags}
        if is_refused(decoded.flags, settings):
            raise BadInput(UNUSABLE, f"it is {', '.join(decoded.flags)}")
        image.pixels = decoded.pixels
    except BadInput as bad:
        image.row["reason"] = bad.reason
        log.warning("%s is quarantined as %s: %s", info.uri, bad.reason, bad)
    return image


def _of_a_wrong_clock(info: ObjectInfo) -> ShardImage:
    message = "%s is quarantined as %s: its time is %s; set it right, or replay this reason to caption it as it is"
    log.warning(message, info.uri, FUTURE_DATE, info.modified.isoformat())
    return ShardImage({"image": info.uri, "etag": info.etag, "reason": FUTURE_DATE})


def _is_past_deadline(plan: Plan) -> bool:
    return plan.deadline is not None and datetime.now(UTC) >= plan.deadline


def _require_pinned(captioner: Captioner, pinned: PinnedModel) -> None:
    if (captioner.digest, captioner.engine) != (pinned.digest, pinned.engine):
        raise BundleRejected(
            f"the night is planned with {pinned.name} version {pinned.version!r} (digest {pinned.digest[:12]}, engine "
            f"{pinned.engine}), but digest {captioner.digest[:12]} with engine {captioner.engine} was loaded; "
            f"plan a new run"
        )


def _prefetch(plan: Plan, parts: list[_Part], captioner: Captioner) -> Generator[tuple[_Part, Iterator[ShardImage]]]:
    """Parts with their images as they are decoded; while the caller captions one part, the next is begun."""
    folder, settings = plan.open_input(), plan.settings
    begun: deque[_Part] = deque()

    def images() -> Iterator[ObjectInfo]:
        for part in parts:
            if _is_past_deadline(plan):
                log.warning("it is past %s; the rest of the shard is left for another night", plan.deadline)
                return
            begun.append(part)
            yield from part.images

    is_replay = settings.replay(("", "")) is not None  # then a person has seen the wrong time

    def read(info: ObjectInfo) -> ShardImage:
        if info.modified > max(plan.planned_at, plan.before) + WRONG_CLOCK and not is_replay:
            return _of_a_wrong_clock(info)
        return decode_image(folder, info, decoders, settings)

    with (
        Decoders(settings.work(captioner.side, captioner.fit), settings.decoders) as decoders,
        # One more than a part: while the caller captions a part, the whole next part is begun.
        closing(in_parallel(read, images(), settings.readers, ahead=settings.part_size + 1)) as decoded,
    ):
        for first in decoded:
            part = begun.popleft()
            yield part, chain([first], islice(decoded, len(part.images) - 1))


def _caption_part(captioner: Captioner, settings: NightSettings, decoded: Iterator[ShardImage]) -> list[ShardImage]:
    done: list[ShardImage] = []
    while batch := list(islice(decoded, _BATCH)):
        readable = [(image, image.pixels) for image in batch if image.pixels is not None]
        captions = captioner.caption(np.stack([pixels for _, pixels in readable])) if readable else []
        for (image, _), caption in zip(readable, captions, strict=True):
            image.pixels, image.row["reason"] = None, caption.reason
            if caption.reason is None:
                image.caption = caption
                image.row |= {
                    "reason": why_withheld(caption, image.row["flags"], settings, captioner),
                    "caption": caption.text,
                    "alternatives": list(caption.alternatives[: settings.alternatives]),
                    "score": caption.score,
                    "confidence": caption.confidence,
                }
        done += batch
    return done


def _rows(plan: Plan, images: list[ShardImage]) -> pa.Table:
    common = {
        "source": MODEL,
        "model_name": plan.model.name,
        "model_version": plan.model.version,
        "engine": plan.model.engine,
        "night": plan.night,
        "run": plan.run,
        "captioned_at": datetime.now(UTC),
        "withdrawn": False,
    }
    rows = [common | {"status": QUARANTINED if each.row.get("reason") else CAPTIONED} | each.row for each in images]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _count(parts: list[_Part]) -> dict[str, Any]:
    """Images of the finished parts by outcome, and those of the other parts as `left`."""
    reasons: Counter[str | None] = Counter()
    left = 0
    for part in parts:
        if is_whole(part.path):
            reasons.update(pq.read_table(part.path, columns=["reason"])["reason"].to_pylist())
        else:
            left += len(part.images)
    captioned = reasons.pop(None, 0)
    return {"captioned": captioned, "quarantined": reasons.total(), "left": left, "reasons": dict(reasons)}
