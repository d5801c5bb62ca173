"""The pointing game: does a word's map peak on the object that the word names? (Zhang et al., ECCV 2016)"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.data.snapshot import read_images
from pipeline.data.sources.base import LabelledBox
from pipeline.data.sources.scenes.truth import SceneMention, scene_mentions
from pipeline.imaging.sandbox import Work, pixels_of_each
from pipeline.model.captioner import CAPTION_BATCH, Networks
from pipeline.model.explanation import Explainer, Maps
from pipeline.training.encoder_stage import load_frozen_encoder
from pipeline.training.refine import load_decoder
from pipeline.training.run import TrainingRun


@dataclass(frozen=True)
class Round:
    """One mention of an object that is truly there."""

    target: npt.NDArray[np.bool_]  # bool [rows, columns], the cells that are a hit
    attention: Maps  # float32 [rows, columns], of the mention's words together
    occlusion: Maps  # float32 [rows, columns], likewise


def pointing_game(run: TrainingRun, captions: Mapping[str, str]) -> dict[str, Any]:
    """Play with the captions of scenes in the test split, at most `evaluation.images` taken by digest.

    Returns `mentions`, how many objects were named truly, in how many `images`; `attention` and `occlusion`, the share
    of mentions whose map peaks on the object, None where nothing was named or the decoder has no attention; and
    `chance`, the share a map that peaks anywhere would reach.
    """
    images = run.accepted.images_of("test").sort_values("sha256").head(run.settings.evaluation.images)
    played = list(_rounds(run, captions, images))
    attends = run.settings.decoder.fusion != "early"
    return {
        "images": len(images),
        "mentions": len(played),
        "attention": _mean([_hits(round_.attention, round_.target) for round_ in played]) if attends else None,
        "occlusion": _mean([_hits(round_.occlusion, round_.target) for round_ in played]),
        "chance": _mean([round_.target.mean() for round_ in played]),
    }


def cells_on(box: LabelledBox, width: float, height: float, cells: int) -> npt.NDArray[np.bool_]:
    """Which of the cells of an image, so many along each side, have their centre in a box: bool [cells, cells]."""
    centres = (np.arange(cells) + 0.5) / cells
    across = (centres * width >= box.left) & (centres * width < box.left + box.width)
    down = (centres * height >= box.top) & (centres * height < box.top + box.height)
    return down[:, None] & across


def _rounds(run: TrainingRun, captions: Mapping[str, str], images: Any) -> Iterator[Round]:
    networks = Networks(load_frozen_encoder(run.output("encoder"), CAPTION_BATCH), *load_decoder(run))
    explainer, facts = Explainer(networks), networks.encoder.facts
    work = Work.within(run.limits, facts.side, run.settings.encoder.fit)
    boxes, squares = run.accepted.boxes("test"), dict(pixels_of_each(read_images(run.source, images), work))
    for image, sha, width, height in images[["image", "sha256", "width", "height"]].values.tolist():
        by_label = {box.label: box for box in boxes[image]}  # no two objects of a scene are alike
        true = [mention for mention in scene_mentions(captions[image]) if mention.label in by_label]
        if not true:
            continue
        explained = explainer.explain(squares[sha], captions[image])
        for mention in true:
            target = cells_on(by_label[mention.label], width, height, round(facts.positions**0.5))
            yield Round(target, _together(explained.attention, mention), _together(explained.occlusion, mention))


def _together(maps: Maps, mention: SceneMention) -> Maps:
    """The map of a colour and a shape that name one object."""
    # Their mean, chosen on validation images: occlusion hit 88.2% by it, 86.7% by their maximum, 87.2% by the shape's
    # map alone and 79.7% by the colour's; attention 96.6%, 97.0%, 98.7% and 84.4%.
    joint: Maps = maps[list(mention.places)].mean(axis=0)
    return joint


def _hits(map_: Maps, target: npt.NDArray[np.bool_]) -> bool:
    return bool(target.flat[int(map_.argmax())])


def _mean(values: list[Any]) -> float | None:
    return float(np.mean(values)) if values else None
