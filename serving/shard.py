"""Caption one shard of a planned run, a part at a time."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.captioner_types import Caption, Captioner, PinnedModel
from pipeline.errors import BadInput, BundleRejected
from pipeline.files import read_json, sha256, write_bytes, write_json
from pipeline.images import ImageLimits, check_bytes, open_picture, resize
from pipeline.objects import Folder, ObjectInfo
from pipeline.table import CAPTIONED, MODEL, QUARANTINED, SCHEMA
from serving.plans import Plan

log = logging.getLogger(__name__)

Loader = Callable[[PinnedModel], Captioner]


@dataclass
class Prepared:
    """A picture that was read, as far as that went.

    Attributes:
        info: what was listed.
        sha256: of its bytes, if they could be read.
        width: of the upright original in pixels.
        height: of the upright original in pixels.
        pixels: uint8 [side, side, 3] for the model; None if it is quarantined.
        reason: why it is quarantined.
        caption: what the model says; None until then, or if it is quarantined.
    """

    info: ObjectInfo
    sha256: str | None = None
    width: int | None = None
    height: int | None = None
    pixels: np.ndarray | None = None
    reason: str | None = None
    caption: Caption | None = None


@dataclass(frozen=True)
class _Part:
    path: Path
    pictures: list[ObjectInfo]


def caption_shard(plan_path: str | Path, shard: int, load: Loader) -> dict[str, Any]:
    """Caption what the shard still lacks; a retry repeats at most the part it was at.

    The model is loaded only if there is something to do. After the plan's deadline no part is
    begun, and its pictures are `left`.

    Returns:
        Small JSON: `shard`, `captioned`, `quarantined`, `left` and `reasons` (quarantined by reason).

    Raises:
        BundleRejected: the loaded model is not the pinned one.
        ObjectUnavailable: the input failed; no picture is quarantined for that.
    """
    plan = Plan.read(plan_path)
    if plan.published_file.is_file():  # and the parts are gone
        return dict(read_json(plan.shard_file(shard)))
    parts = _parts(plan, shard)
    missing = [part for part in parts if not part.path.exists()]
    if missing and not _is_over(plan):
        captioner = load(plan.model)
        _check(captioner, plan.model)
        for part, prepared in _read_ahead(plan, missing, captioner):
            _caption(captioner, [each for each in prepared if each.pixels is not None])
            _write(part.path, _rows(plan, prepared))
    counts = {"shard": shard, **_count(parts)}
    write_json(plan.shard_file(shard), counts)
    log.info("shard %d of %d: %s", shard + 1, len(plan.shards), counts)
    return counts


def prepare(folder: Folder, info: ObjectInfo, captioner: Captioner, limits: ImageLimits) -> Prepared:
    """Read, check, decode and resize one picture; what is wrong with it is its `reason`.

    Raises:
        ObjectUnavailable: the folder failed.
    """
    prepared = Prepared(info)
    try:
        check_bytes(info.size, limits)
        data = folder.read(info)
        prepared.sha256 = sha256(data)
        picture = open_picture(data, limits, captioner.side)
        prepared.width, prepared.height = picture.width, picture.height
        prepared.pixels = resize(picture.image, captioner.side, captioner.fit)
    except BadInput as bad:
        prepared.reason = bad.reason
        log.warning("%s is quarantined as %s: %s", info.uri, bad.reason, bad)
    return prepared


def _parts(plan: Plan, shard: int) -> list[_Part]:
    pictures, size = plan.pictures(shard), plan.settings.part_size
    return [
        _Part(path, pictures[number * size : (number + 1) * size]) for number, path in enumerate(plan.part_files(shard))
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


def _read_ahead(plan: Plan, parts: list[_Part], captioner: Captioner) -> Iterator[tuple[_Part, list[Prepared]]]:
    """Parts with their pictures; while the caller captions one, the next is read and decoded."""
    folder, limits = plan.open_input(), plan.settings.limits()
    waiting: deque[tuple[_Part, list[Future[Prepared]]]] = deque()
    pool = ThreadPoolExecutor(plan.settings.readers, "reader")
    try:
        for part in parts:
            if _is_over(plan):
                log.warning("it is past %s; the rest of the shard is left for another night", plan.deadline)
                break
            waiting.append((part, [pool.submit(prepare, folder, info, captioner, limits) for info in part.pictures]))
            if len(waiting) > 1:
                yield _finished(waiting)
        while waiting:
            yield _finished(waiting)
    finally:
        pool.shutdown(cancel_futures=True)


def _finished(waiting: deque[tuple[_Part, list[Future[Prepared]]]]) -> tuple[_Part, list[Prepared]]:
    part, futures = waiting.popleft()
    return part, [future.result() for future in futures]


def _caption(captioner: Captioner, readable: list[Prepared]) -> None:
    if not readable:
        return
    captions = captioner.caption(np.stack([each.pixels for each in readable if each.pixels is not None]))
    for each, caption in zip(readable, captions, strict=True):
        each.caption, each.reason = (caption, None) if caption.reason is None else (None, caption.reason)


def _rows(plan: Plan, prepared: list[Prepared]) -> pa.Table:
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


def _row(prepared: Prepared, alternatives: int) -> dict[str, Any]:
    row = {
        "image": prepared.info.uri,
        "etag": prepared.info.etag,
        "sha256": prepared.sha256,
        "width": prepared.width,
        "height": prepared.height,
    }
    caption = prepared.caption
    if caption is None:
        return row | {"status": QUARANTINED, "reason": prepared.reason}
    return row | {
        "status": CAPTIONED,
        "caption": caption.text,
        "alternatives": list(caption.alternatives[:alternatives]),
        "score": caption.score,
    }


def _write(path: Path, rows: pa.Table) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink)
    write_bytes(path, sink.getvalue().to_pybytes())


def _count(parts: list[_Part]) -> dict[str, Any]:
    """What the finished parts hold, and how many pictures the others would."""
    reasons: Counter[str | None] = Counter()
    left = 0
    for part in parts:
        if part.path.exists():
            reasons.update(pq.read_table(part.path, columns=["reason"])["reason"].to_pylist())
        else:
            left += len(part.pictures)
    captioned = reasons.pop(None, 0)
    return {"captioned": captioned, "quarantined": reasons.total(), "left": left, "reasons": dict(reasons)}
