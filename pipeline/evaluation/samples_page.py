"""A page of sample images beside what the model and people wrote."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.data.snapshot import read_images
from pipeline.imaging.decode import decode, thumbnail
from pipeline.model.interface import Caption
from pipeline.storage.files import write_bytes, write_text
from pipeline.training.run import TrainingRun

_COUNT = 24
_TEMPLATE = Path(__file__).parent / "samples_page.html"


def write_samples(
    folder: Path,
    run: TrainingRun,
    captions: Mapping[str, Caption],
    references: Mapping[str, list[str]],
    per_image: Mapping[str, Mapping[str, float]],
) -> None:
    """Write `index.html` and thumbnails: from the best to the worst CIDEr-D, evenly spaced."""
    ranked = sorted(captions, key=lambda image: -per_image[image]["cider_d"])
    count = min(_COUNT, len(ranked))
    chosen = [ranked[round(place * (len(ranked) - 1) / max(1, count - 1))] for place in range(count)]
    images = run.accepted.images[run.accepted.images["image"].isin(chosen)]
    data = dict(read_images(run.source, images))
    names = dict(zip(images["image"], images["sha256"], strict=True))
    for sha, encoded in data.items():
        write_bytes(folder / f"{sha[:16]}.jpg", thumbnail(decode(encoded, run.limits)))
    rows = [_row(image, names[image], captions[image], references[image], per_image[image]) for image in chosen]
    write_text(folder / "index.html", _render(rows))


def _row(image: str, sha: str, caption: Caption, references: list[str], scores: Mapping[str, float]) -> dict[str, Any]:
    return {
        "image": image,
        "thumbnail": f"{sha[:16]}.jpg",
        "caption": caption.text,
        "score": caption.score,
        "references": references,
        **scores,
    }


def _render(rows: list[dict[str, Any]]) -> str:
    from jinja2 import Environment

    template = Environment(autoescape=True).from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(rows=rows)
