"""The model card: what the model is, what it was shown, how good it is (Mitchell et al., FAccT 2019)."""

from __future__ import annotations

from typing import Any

import yaml

from pipeline.settings import TrainSettings

# Folders of the machine that trained are nobody else's business.
PATHS = {"images", "train_annotations", "val_annotations", "test_annotations", "data_dir"}


def model_card(
    settings: TrainSettings, data: dict[str, Any], vocabulary: dict[str, Any], scores: dict[str, Any]
) -> str:
    """Markdown filled from the run's own figures."""
    return "\n".join(
        [
            f"# {settings.registry.model_name}",
            "",
            "Writes one English-style sentence for a photograph, in the manner of the captions it was trained on.",
            f"Encoder `{settings.encoder.name}` (frozen), GRU decoder with `{settings.decoder.fusion}` fusion, "
            f"{settings.decoding.method} decoding.",
            "",
            "## Data",
            f"Source `{settings.source.kind}`. Accepted pictures by split and what was quarantined:",
            "",
            _block(data),
            f"{vocabulary['size']} words; {vocabulary['val_out_of_vocabulary']:.2%} of validation words are unknown to it.",
            "",
            "## Scores on the test split",
            "Fractions; CIDEr-D with document frequencies of the evaluated references, so not comparable between data sets.",
            "",
            _table(scores["scores"]),
            "",
            "## Health of its captions",
            _table(scores["health"]),
            "",
            "## Limits",
            "It describes only what its training captions describe, repeats their mistakes and habits, and states what it "
            "guesses as fact. Use a person's eye where a wrong caption does harm.",
            "",
            "## Settings",
            _block(settings.model_dump(mode="json", exclude={"source": PATHS})),
        ]
    )


def _table(values: dict[str, Any]) -> str:
    rows = [f"| {name} | {_shown(value)} |" for name, value in values.items()]
    return "\n".join(["| measure | value |", "|---|---|", *rows])


def _shown(value: Any) -> str:
    return "not measured" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)


def _block(values: dict[str, Any]) -> str:
    return f"```yaml\n{yaml.safe_dump(values, sort_keys=True, allow_unicode=True)}```\n"
