"""How words should be chosen: captions of the images that choose by each way of decoding, of a training that is done.

    python -m benchmarks.decoding --config flickr8k.yaml [--split val] [--set KEY=VALUE ..]

What of the training is missing is trained first; `self_critical.epochs=0` compares on the first stage's model.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.ablation import captions_of
from nightcap.options import values_from
from pipeline.core.environment import Home
from pipeline.core.settings import train_settings
from pipeline.metrics.scores import score_captions
from pipeline.training.run import TrainingRun
from pipeline.training_pipeline import run_until

WAYS: tuple[dict[str, Any], ...] = (
    {"method": "greedy"},
    {},
    *({"rare_words": share} for share in (0.05, 0.1, 0.15, 0.2)),
    {"beam_width": 2},
    {"beam_width": 5},
    {"length_power": 0.7},
    {"beam_width": 5, "length_power": 0.7},
    *({"beam_width": 5, "length_power": 0.7, "rare_words": share} for share in (0.1, 0.2)),
    {"block_repeats": True, "rare_words": 0.1},
    *(
        {"block_repeats": True, "beam_width": width, "length_power": power}
        for width in (3, 5)
        for power in (1.0, 0.85, 0.7)
    ),
    {"min_words": 6},
)
"""Each changes beam search of width 3 that favours no word and blocks no repeats."""
PLAIN: dict[str, Any] = {"method": "beam", "beam_width": 3, "rare_words": 0.0, "block_repeats": False}


def main() -> None:
    """Print a row for each of `WAYS`; scores times 100."""
    arguments = _arguments()
    values = values_from(arguments.config, arguments.set)
    for way in WAYS:
        run = _decoding(values, way)
        captions = captions_of(run, arguments.split)
        report = score_captions(run.accepted.references(arguments.split), captions, meteor=False)
        label = ", ".join(f"{name} {value}" for name, value in way.items()) or "beam 3"
        scores = " | ".join(f"{100 * (report.scores[name] or 0):.1f}" for name in ("bleu_4", "rouge_l", "cider_d"))
        print(f"| {label} | {scores} | {report.health.words_used} | {report.health.dangling:.1%} |", flush=True)


def _decoding(values: dict[str, Any], way: dict[str, Any]) -> TrainingRun:
    """A training that is done, with another way of decoding: no stage of it depends on that."""
    decoding = values.get("decoding", {}) | PLAIN | way
    return run_until("refine", _run(values | {"decoding": decoding}))


def _run(values: dict[str, Any]) -> TrainingRun:
    return TrainingRun(train_settings(values), Home.from_environment())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, help="settings that name the data and the encoder")
    parser.add_argument("--split", choices=["val", "test"], default="val", help="val to choose, test to evaluate")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change one setting")
    return parser.parse_args()


if __name__ == "__main__":
    main()
