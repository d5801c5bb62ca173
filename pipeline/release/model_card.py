"""The model card: the model, its data, its scores (Mitchell et al., FAccT 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from pipeline.core.pages import render
from pipeline.core.settings import PathMark, TrainSettings, marks_of
from pipeline.model.model_uri import is_model_uri
from pipeline.training.run import TrainingRun

STAGES = ("validate", "adapt_vocabulary", "extract_features", "train", "refine")


def card_of(run: TrainingRun, cost: Mapping[str, Any]) -> str:
    """The card of a run that is evaluated; `cost` has under `int8` what that engine costs it, and is empty without it."""
    figures = {stage: run.output(stage).figures() for stage in STAGES} | dict(cost)
    return model_card(run.settings, figures, run.scores())


def model_card(settings: TrainSettings, figures: Mapping[str, Any], scores: Mapping[str, Any]) -> str:
    """The card as Markdown, without folders of the machine that trained.

    `figures` holds `figures.json` of each of `STAGES`; `scores` has at least `images`, `scores` and `health`.
    """
    portable = _portable(settings)
    terms = portable["source"].pop("terms")  # free text, better not in a block of YAML
    template = Path(__file__).with_suffix(".md.j2")
    return render(template, **figures, settings=portable, terms=terms, scores=scores)


def summary(card: str) -> str:
    """The paragraph under a card's title."""
    return card.split("\n\n")[1]


def _portable(settings: TrainSettings) -> dict[str, Any]:
    """The settings by group, without the folders of files."""
    groups = settings.model_dump(mode="json", exclude={"gate"})
    for name, mark in marks_of(TrainSettings, PathMark).items():
        group, field = name.split(".")
        value = groups[group].pop(field)
        if mark.published:
            groups[group][field] = PurePath(value).name if value and not is_model_uri(value) else value
    return groups
