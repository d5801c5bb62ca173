"""The verdict as a page: the rules, the slices, and images with both versions' captions side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core.pages import bar_chart, render
from pipeline.core.points import POINTS, points
from pipeline.evaluation.samples_page import thumbnails
from pipeline.release.gate.candidate import GateCandidate
from pipeline.release.gate.rules import GateVerdict
from pipeline.storage.files import write_text
from pipeline.training.run import TrainingRun

_COUNT = 24
PAGE = "index.html"


def write_page(
    folder: Path,
    run: TrainingRun,
    verdict: GateVerdict,
    challenger: GateCandidate,
    champion: GateCandidate | None,
    references: Mapping[str, Sequence[str]],
) -> None:
    """Write `index.html` with the images on which the versions differ most, both ways, and some between."""
    images = list(references)
    gain = challenger.cider_d - (champion.cider_d if champion else 0)
    chosen = spread_of_gains(gain, _COUNT)
    shown = thumbnails(run, [images[place] for place in chosen])
    rows = [
        {
            "image": images[place],
            "thumbnail": shown.get(images[place]),
            "references": references[images[place]],
            "gain": float(gain[place]) * POINTS,
            "challenger": _version_row(challenger, images[place], place),
            "champion": champion and _version_row(champion, images[place], place),
        }
        for place in chosen
    ]
    write_text(folder / PAGE, render_gate_page(verdict, rows))


def spread_of_gains(gain: np.ndarray, count: int) -> list[int]:
    """Places of a third each with the largest gains, evenly between, and the largest losses; the largest gain first."""
    order = np.argsort(-gain, kind="stable")
    if len(order) <= count:
        return [int(place) for place in order]
    third = count // 3
    between = np.linspace(third, len(order) - third - 1, count - 2 * third).round().astype(int)
    return [int(place) for place in (*order[:third], *order[between], *order[-third:])]


def render_gate_page(verdict: GateVerdict, rows: Sequence[Mapping[str, Any]]) -> str:
    """The page as HTML; whatever is shown is escaped."""
    fifths = (verdict.reliability or {}).get("fifths", [])
    scored, estimated = ([part[name] for part in fifths] for name in ("scored", "estimated"))
    bars = bar_chart(scored, [f"estimated {points(value)}" for value in estimated], estimated) if fifths else []
    return render(Path(__file__).with_suffix(".html"), verdict=verdict, rows=rows, points=POINTS, fifths=bars)


def _version_row(version: GateCandidate, image: str, place: int) -> dict[str, Any]:
    return {
        "version": version.version,
        "caption": version.captions.get(image, ""),
        "points": float(version.cider_d[place]) * POINTS,
    }
