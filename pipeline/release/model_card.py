"""The model card: what the model is, what it was shown, how good it is (Mitchell et al., FAccT 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from pipeline.core.settings import SourceSettings, TrainSettings
from pipeline.model.model_uri import is_model_uri
from pipeline.training.run import TrainingRun

_TEMPLATE = Path(__file__).with_name("model_card.md.j2")
STAGES = ("validate", "adapt_vocabulary", "extract_features", "train", "refine")
NOT_MEASURED = "not measured"
_MAY_BE_PATHS = (
    ("encoder", "weights"),
    ("source", "corrections"),
    ("training", "start_from"),
    ("validation", "reference"),
    ("validation", "waivers"),
)


def card_of(run: TrainingRun) -> str:
    """The card of a run that is evaluated."""
    return model_card(run.settings, {stage: run.output(stage).figures() for stage in STAGES}, run.scores())


def model_card(settings: TrainSettings, figures: Mapping[str, Any], scores: Mapping[str, Any]) -> str:
    """The card as Markdown; no folder of the machine that trained is in it.

    Args:
        settings: of the run.
        figures: what each of `STAGES` wrote about itself.
        scores: what `evaluate` found; what is missing beyond `images`, `scores` and `health` is said not to be measured.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATE.parent),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": _number, "share": _share, "count": _count, "yaml": _yaml}
    portable = _portable(settings)
    terms = portable["source"].pop("terms")  # free text, better not in a block of YAML
    template = environment.get_template(_TEMPLATE.name)
    return template.render(**figures, settings=portable, terms=terms, found=scores)


def summary(card: str) -> str:
    """The paragraph under a card's title."""
    return card.split("\n\n")[1]


def _portable(settings: TrainSettings) -> dict[str, Any]:
    """The settings by group, without the folders that files lie in."""
    paths = {name for name, field in SourceSettings.model_fields.items() if field.annotation == Path | None}
    paths.add("images")  # a folder too, or a bucket
    groups = settings.model_dump(mode="json", exclude={"source": paths, "gate": True})
    for group, field in _MAY_BE_PATHS:
        value = groups[group][field]
        if value and not is_model_uri(str(value)):
            groups[group][field] = PurePath(value).name
    return groups


def _number(value: float | None, digits: int = 3) -> str:
    return NOT_MEASURED if value is None else f"{value:.{digits}f}"


def _share(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{value:.1%}"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _yaml(values: Mapping[str, Any]) -> str:
    return str(yaml.safe_dump(values, sort_keys=True, allow_unicode=True))
