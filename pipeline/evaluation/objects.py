"""CHAIR on a test split, where its source says what is in the images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.data.sources.base import LabelledBox
from pipeline.data.sources.scenes.truth import named_pairs
from pipeline.metrics.chair import chair, coco_lexicon


def chair_of(
    kind: str,
    captions: Mapping[str, str],
    boxes: Mapping[str, Sequence[LabelledBox]],
    references: Mapping[str, Sequence[str]],
) -> dict[str, float]:
    """CHAIR where a source of that kind knows what is in the images, by names to search captions for; else empty."""
    if kind == "scenes":
        return scenes_chair(captions, boxes)
    labels = {box.label for found in boxes.values() for box in found}
    return coco_chair(captions, boxes, references) if labels and labels <= coco_lexicon().categories else {}


def scenes_chair(captions: Mapping[str, str], boxes: Mapping[str, Sequence[LabelledBox]]) -> dict[str, float]:
    """CHAIR of captions of scenes, exact: a mention is a colour before a shape, and all objects are known."""
    present = {image: {box.label for box in boxes[image]} for image in captions}
    return chair(captions, present, lambda text: [frozenset({" ".join(pair)}) for pair in named_pairs(text)])


def coco_chair(
    captions: Mapping[str, str], boxes: Mapping[str, Sequence[LabelledBox]], references: Mapping[str, Sequence[str]]
) -> dict[str, float]:
    """CHAIR of captions of COCO's images; what references name is in the image too, as in the paper."""
    mentions = coco_lexicon().mentions
    present = {image: {box.label for box in boxes[image]} for image in captions}
    for image, labels in present.items():
        labels.update(*(mention for text in references[image] for mention in mentions(text)))
    return chair(captions, present, mentions)
