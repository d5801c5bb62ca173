"""The verdict as a page: the rules, the slices, and pictures with both versions' captions side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.files import write_bytes, write_text
from pipeline.gate.evidence import Candidate
from pipeline.gate.verdict import POINTS, Verdict
from pipeline.images import decode, thumbnail
from pipeline.snapshot import read_images
from pipeline.training_run import TrainingRun

COUNT = 24
TEMPLATE = Path(__file__).with_name("gate.html")


def write_page(
    folder: Path,
    run: TrainingRun,
    verdict: Verdict,
    challenger: Candidate,
    champion: Candidate | None,
    references: Mapping[str, Sequence[str]],
) -> None:
    """Write `index.html` and thumbnails of the pictures on which the versions differ most, both ways, and of some between."""
    images = list(references)
    gain = challenger.cider_d - (champion.cider_d if champion else 0)
    chosen = spread(gain, COUNT)
    pictures = _write_pictures(folder, run, {images[place] for place in chosen})
    rows = [
        {
            "image": images[place],
            "picture": pictures.get(images[place]),
            "references": references[images[place]],
            "gain": float(gain[place]) * POINTS,
            "challenger": _said(challenger, images[place], place),
            "champion": champion and _said(champion, images[place], place),
        }
        for place in chosen
    ]
    write_text(folder / "index.html", render(verdict, rows))


def spread(gain: np.ndarray, count: int) -> list[int]:
    """Places of a third each with the largest gains, evenly between, and the largest losses; the largest gain first."""
    order = np.argsort(-gain, kind="stable")
    if len(order) <= count:
        return [int(place) for place in order]
    third = count // 3
    between = np.linspace(third, len(order) - third - 1, count - 2 * third).round().astype(int)
    return [int(place) for place in (*order[:third], *order[between], *order[-third:])]


def render(verdict: Verdict, rows: Sequence[Mapping[str, Any]]) -> str:
    """The page as HTML; whatever is shown is escaped."""
    from jinja2 import Environment

    template = Environment(autoescape=True, trim_blocks=True).from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(verdict=verdict, rows=rows, points=POINTS)


def _said(version: Candidate, image: str, place: int) -> dict[str, Any]:
    return {
        "version": version.version,
        "caption": version.captions.get(image, ""),
        "points": float(version.cider_d[place]) * POINTS,
    }


def _write_pictures(folder: Path, run: TrainingRun, images: set[str]) -> dict[str, str]:
    rows = run.accepted.images[run.accepted.images["image"].isin(images)]
    names = {sha: f"{sha[:16]}.jpg" for sha in rows["sha256"]}
    for sha, encoded in read_images(run.source, rows):
        write_bytes(folder / names[sha], thumbnail(decode(encoded, run.limits)))
    return {image: names[sha] for image, sha in zip(rows["image"], rows["sha256"], strict=True)}
