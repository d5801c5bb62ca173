"""A page of sample images beside what the model and people wrote."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from pipeline.core.pages import data_uri, render
from pipeline.data.snapshot import read_images
from pipeline.imaging.sandbox import thumbnail_of_each
from pipeline.model.interface import Caption
from pipeline.storage.files import write_text
from pipeline.training.run import TrainingRun

_COUNT = 24


def write_samples(
    folder: Path,
    run: TrainingRun,
    captions: Mapping[str, Caption],
    references: Mapping[str, list[str]],
    per_image: Mapping[str, Mapping[str, float]],
) -> None:
    """Write `index.html` with its images: from the best to the worst CIDEr-D, evenly spaced."""
    ranked = sorted(captions, key=lambda image: -per_image[image]["cider_d"])
    count = min(_COUNT, len(ranked))
    chosen = [ranked[round(place * (len(ranked) - 1) / max(1, count - 1))] for place in range(count)]
    shown, names = thumbnails(run, chosen), run.accepted.images
    digests = dict(zip(names["image"], names["sha256"], strict=True))
    rows = [
        {
            "image": image,
            "thumbnail": shown.get(image),
            "digest": digests[image][:16],  # by which `forget` finds the page
            "caption": captions[image].text,
            "score": captions[image].score,
            "references": references[image],
            **per_image[image],
        }
        for image in chosen
    ]
    write_text(folder / "index.html", render(Path(__file__).with_suffix(".html"), rows=rows))


def thumbnails(run: TrainingRun, images: Collection[str]) -> dict[str, str]:
    """Small images by name, as data URIs: MLflow shows one file at a time, so a page holds its images."""
    rows = run.accepted.images[run.accepted.images["image"].isin(images)]
    jpegs = thumbnail_of_each(read_images(run.source, rows), run.limits)
    small = {sha: data_uri(jpeg) for sha, jpeg in jpegs}
    return {image: small[sha] for image, sha in zip(rows["image"], rows["sha256"], strict=True) if sha in small}
