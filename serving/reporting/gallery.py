"""A static page of a night's images, captions and quarantine, without outside resources."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.core.errors import NightcapError
from pipeline.core.pages import render
from pipeline.core.reasons import IGNORED_REASONS, NIGHT_REASONS
from pipeline.imaging.decode import thumbnail
from pipeline.imaging.sandbox import Decoders
from pipeline.storage.files import creating_folder, sha256, write_text
from pipeline.storage.objects import Folder, ObjectInfo
from serving.monitoring.page import ConfidenceScale, confidence_scale, monitoring_view
from serving.reporting.published_rows import PublishedRows
from serving.reporting.summary import NightSummary
from serving.runs.plan_file import Plan

log = logging.getLogger(__name__)

THUMBNAIL_SIDE = 360


@dataclass(frozen=True)
class Card:
    """One image on the page."""

    name: str  # relative to the input folder
    thumbnail: str | None  # path relative to the page; None if the image has changed since
    caption: str
    alternatives: list[str]
    score: float | None  # mean natural log-probability a word; None without one from an external captioner
    confidence: float | None  # estimated CIDEr-D; None without one
    share: float  # the bar of the confidence, 0..1
    is_unsure: bool  # whether it is less than that of nine in ten validation captions
    width: int  # of the original in pixels, as height
    height: int


def write_gallery(plan: Plan, summary: NightSummary, rows: PublishedRows) -> None:
    """Write `gallery/index.html`, with a sample of the published rows, into the run's folder; it replaces one there."""
    figures, (_, top_caption) = rows.figures, rows.frequencies
    with creating_folder(plan.gallery, replaces=True) as folder:
        scale = confidence_scale(plan, figures.greatest_confidence)
        cards = list(_cards(plan, figures.sample, scale, folder))
        page = render(
            Path(__file__).with_suffix(".html"),
            summary=summary,
            planned_at=plan.planned_at,
            cards=cards,
            captions=figures.captioned,
            quarantined=[(plan.name_of(row["image"]), row["reason"]) for row in figures.listed],
            quarantined_total=figures.quarantined,
            reasons=NIGHT_REASONS,
            ignored_reasons=IGNORED_REASONS,
            duration=_duration(summary.seconds),
            monitoring=monitoring_view(plan, top_caption, figures.unsure),
            drift_floor=plan.settings.drift_floor,
        )
        write_text(folder / "index.html", page)


def _cards(plan: Plan, rows: list[dict[str, Any]], scale: ConfidenceScale, folder: Path) -> Iterator[Card]:
    shown = {row["image"] for row in rows}
    listed = {info.uri: info for info in plan.listed() if info.uri in shown}
    images = _input(plan)
    if not rows:  # a decoder takes a while to start
        return
    with Decoders(plan.settings.work(THUMBNAIL_SIDE, "keep"), 1) as decoders:
        for row in rows:
            yield Card(
                name=plan.name_of(row["image"]),
                thumbnail=_thumbnail(decoders, images, listed.get(row["image"]), folder) if images else None,
                caption=row["caption"],
                alternatives=row["alternatives"] or [],
                score=row["score"],
                confidence=row["confidence"],
                share=scale.share(row["confidence"] or 0.0),
                is_unsure=row["confidence"] is not None and scale.is_unsure(row["confidence"]),
                width=row["width"],
                height=row["height"],
            )


def _input(plan: Plan) -> Folder | None:
    """Where the images are, if they still are."""
    try:
        return plan.open_input()
    except NightcapError as error:
        log.warning("no thumbnails: %s", error)
        return None


def _thumbnail(decoders: Decoders, images: Folder, info: ObjectInfo | None, folder: Path) -> str | None:
    """A thumbnail's path relative to the page; None if the image is not there or not listed any more."""
    if info is None:
        return None
    try:
        pixels = decoders.decode(images.read(info)).pixels
    except NightcapError as error:
        log.warning("no thumbnail: %s", error)
        return None
    small = thumbnail(Image.fromarray(pixels), THUMBNAIL_SIDE)
    name = f"thumbnails/{sha256(small)[:16]}.jpg"
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(small)  # on the disk before the whole gallery counts
    return name


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
