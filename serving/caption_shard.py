"""Caption one shard of a planned run, a part at a time."""

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

from pipeline.core.errors import BadInput, BundleRejected
from pipeline.core.parallel import in_parallel
from pipeline.core.reasons import UNUSABLE
from pipeline.imaging.decode import check_bytes
from pipeline.imaging.sandbox import Decoders
from pipeline.model.interface import Caption, Captioner, PinnedModel
from pipeline.storage.files import read_json, sha256, write_json, write_parquet
from pipeline.storage.objects import Folder, ObjectInfo
from pipeline.storage.tables import CAPTIONED, MODEL, QUARANTINED, SCHEMA
from serving.runs.lifecycle import was_published_meanwhile
from serving.runs.part_file import keep_reference, with_part_columns
from serving.runs.plan_file import Plan
from serving.runs.settings import NightSettings
from serving.runs.withholding import is_refused, why_withheld

log = logging.getLogger(__name__)

Loader = Callable[[PinnedModel], Captioner]

_CHUNK = 64  # images that are captioned while others of their part are decoded


@dataclass
class ShardImage:
    """An image that was read, as far as that went.

    Attributes:
        info: what was listed.
        sha256: of its bytes, if they could be read.
        width: of the upright original in pixels.
        height: of the upright original in pixels.
        flags: of `pipeline.imaging.quality.FLAGS`; None if it was not decoded.
        pixels: uint8 [side, side, 3] for the model; None if it need not see it, or has.
        reason: why it is quarantined.
        caption: what the model says; None until then, or if it was not asked.
    """

    info: ObjectInfo
    sha256: str | None = None
    width: int | None = None
    height: int | None = None
    flags: tuple[str, ...] | None = None
    pixels: np.ndarray | None = None
    reason: str | None = None
    caption: Caption | None = None


@dataclass(frozen=True)
class _Part:
    path: Path
    images: list[ObjectInfo]


def caption_shard(plan_path: str | Path, shard: int, load: Loader) -> dict[str, Any]:
    """Caption what the shard still lacks; a retry repeats at most the part it was at.

    The model is loaded only if there is something to do. After the plan's deadline no part is
    begun, and its images are `left`.

    Returns:
        Small JSON: `shard`, `captioned`, `quarantined`, `left` and `reasons` (quarantined by reason).

    Raises:
        BundleRejected: the loaded model is not the pinned one.
        ObjectUnavailable: the input failed; no image is quarantined for that.
        DecoderUnavailable: no image can be decoded, whichever.
        NightRejected: the run was removed while the shard was at work.
    """
    plan = Plan.read(plan_path)
    if not plan.is_published:
        try:
            _work(plan, shard, load)
        except FileNotFoundError:  # perhaps whoever ended the run has cleared it away
            if not was_published_meanwhile(plan):
                raise
    return dict(read_json(plan.shard_file(shard)))


def _work(plan: Plan, shard: int, load: Loader) -> None:
    """Write the parts that are missing and the shard's counts, unless another attempt publishes the run first."""
    parts, file = _parts(plan, shard), plan.shard_file(shard)
    missing = [part for part in parts if not part.path.exists()]
    if missing and not _is_over(plan):
        _caption_parts(plan, missing, load(plan.model))
    counts = {"shard": shard, **_count(parts)}
    if was_published_meanwhile(plan):  # and the parts were gone when they were counted
        return
    write_json(file, counts)
    if not was_published_meanwhile(plan, file):
        log.info("shard %d of %d: %s", shard + 1, len(plan.shards), counts)


def _caption_parts(plan: Plan, missing: list[_Part], captioner: Captioner) -> None:
    _check(captioner, plan.model)
    keep_reference(plan.reference_file, captioner)
    started = time.monotonic()
    with closing(_read_ahead(plan, missing, captioner)) as ahead:
        for part, prepared in ahead:
            done = _captioned(captioner, plan.settings, prepared)
            captions = [each.caption for each in done]
            write_parquet(part.path, with_part_columns(_rows(plan, done), captions, time.monotonic() - started))
            if was_published_meanwhile(plan, part.path):
                return
            started = time.monotonic()


def decode_image(folder: Folder, info: ObjectInfo, decoders: Decoders, settings: NightSettings) -> ShardImage:
    """Read, check, decode and resize one image; what is wrong with it is its `reason`.

    Raises:
        ObjectUnavailable: the folder failed.
        DecoderUnavailable: no image can be decoded, whichever.
    """
    prepared = ShardImage(info)
    try:
        check_bytes(info.size, decoders.work.limits)
        data = folder.read(info)
        prepared.sha256 = sha256(data)
        image = decoders.decode(data)
        prepared.width, prepared.height, prepared.flags = image.width, image.height, image.flags
        if is_refused(image.flags, settings):
            raise BadInput(UNUSABLE, f"it is {', '.join(image.flags)}")
        prepared.pixels = image.pixels
    except BadInput as bad:
        prepared.reason = bad.reason
        log.warning("%s is quarantined as %s: %s", info.uri, bad.reason, bad)
    return prepared


def _parts(plan: Plan, shard: int) -> list[_Part]:
    images, size = plan.images(shard), plan.settings.part_size
    return [
        _Part(path, images[number * size : (number + 1) * size]) for number, path in enumerate(plan.part_files(shard))
    ]


def _is_over(plan: Plan) -> bool:
    return plan.deadline is not None and datetime.now(UTC) >= plan.deadline


def _check(captioner: Captioner, pinned: PinnedModel) -> None:
    if (captioner.digest, captioner.engine) != (pinned.digest, pinned.engine):
        raise BundleRejected(
            f"the night is planned with {pinned.name} version {pinned.version!r} (digest {pinned.digest[:12]}, engine "
            f"{pinned.engine}), but digest {captioner.digest[:12]} with engine {captioner.engine} was loaded; "
            f"plan a new run"
        )


def _read_ahead(plan: Plan, parts: list[_Part], captioner: Captioner) -> Generator[tuple[_Part, Iterator[ShardImage]]]:
    """Parts with their images as they are decoded; while the caller captions one part, the next is begun."""
    folder, settings = plan.open_input(), plan.settings
    begun: deque[_Part] = deque()

    def images() -> Iterator[ObjectInfo]:
        for part in parts:
            if _is_over(plan):
                log.warning("it is past %s; the rest of the shard is left for another night", plan.deadline)
                return
            begun.append(part)
            yield from part.images

    def read(info: ObjectInfo) -> ShardImage:
        return decode_image(folder, info, decoders, settings)

    with (
        Decoders(settings.work(captioner.side, captioner.fit), settings.decoders) as decoders,
        closing(in_parallel(read, images(), settings.readers, ahead=settings.part_size)) as prepared,
    ):
        for first in prepared:
            part = begun.popleft()
            yield part, chain([first], islice(prepared, len(part.images) - 1))


def _captioned(captioner: Captioner, settings: NightSettings, prepared: Iterator[ShardImage]) -> list[ShardImage]:
    """A part's images, captioned as they come."""
    done: list[ShardImage] = []
    while chunk := list(islice(prepared, _CHUNK)):
        _caption(captioner, settings, [each for each in chunk if each.pixels is not None])
        done += chunk
    return done


def _caption(captioner: Captioner, settings: NightSettings, readable: list[ShardImage]) -> None:
    if not readable:
        return
    captions = captioner.caption(np.stack([each.pixels for each in readable if each.pixels is not None]))
    for each, caption in zip(readable, captions, strict=True):
        each.pixels = None
        each.caption, each.reason = (caption, None) if caption.reason is None else (None, caption.reason)
        if each.caption:
            each.reason = why_withheld(caption, each.flags or (), settings, captioner)


def _rows(plan: Plan, prepared: list[ShardImage]) -> pa.Table:
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
    return pa.Table.from_pylist([common | _row(each, plan.settings.alternatives) for each in prepared], schema=SCHEMA)


def _row(prepared: ShardImage, alternatives: int) -> dict[str, Any]:
    row = {
        "image": prepared.info.uri,
        "etag": prepared.info.etag,
        "sha256": prepared.sha256,
        "width": prepared.width,
        "height": prepared.height,
        "flags": prepared.flags,
        "status": QUARANTINED if prepared.reason else CAPTIONED,
        "reason": prepared.reason,
    }
    caption = prepared.caption
    if caption is None:
        return row
    return row | {
        "caption": caption.text,
        "alternatives": list(caption.alternatives[:alternatives]),
        "score": caption.score,
        "confidence": caption.confidence,
    }


def _count(parts: list[_Part]) -> dict[str, Any]:
    """What the finished parts hold, and how many images the others would."""
    reasons: Counter[str | None] = Counter()
    left = 0
    for part in parts:
        if part.path.exists():
            reasons.update(pq.read_table(part.path, columns=["reason"])["reason"].to_pylist())
        else:
            left += len(part.images)
    captioned = reasons.pop(None, 0)
    return {"captioned": captioned, "quarantined": reasons.total(), "left": left, "reasons": dict(reasons)}
