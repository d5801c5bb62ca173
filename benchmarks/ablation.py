"""What each choice is worth: trains every row of a table and scores it on validation and test images.

    python -m benchmarks.ablation --config flickr8k.yaml --rows benchmarks/ablation.yaml --output rows.jsonl [NAME ..]

Rows that the output already has are not trained again, so a table grows over several sittings. Beside it, in a folder
of its name, lie each row's captions, for `nightcap score` and `benchmarks/official.py`.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.neighbours import consensus_captions
from pipeline.core.environment import Home
from pipeline.core.settings import TrainSettings, assign, read_yaml, train_settings
from pipeline.evaluation.calibrate import training_embeddings
from pipeline.evaluation.evaluate import caption_split
from pipeline.evaluation.inference import Predictor, cider_d_of, predict_degraded, sample
from pipeline.metrics.health import caption_health
from pipeline.metrics.scores import leave_one_out, score_captions
from pipeline.storage.files import write_text
from pipeline.training.run import TrainingRun
from pipeline.training_pipeline import run_stage, run_until

SHOWN = {
    "bleu_4": 100,
    "meteor": 100,
    "rouge_l": 100,
    "cider_d": 100,
    "dangling": 100,
    "repeated": 100,
    "unknown": 100,
    "empty": 100,
    "unique": 100,
    "covered_50": 100,
    "val_cider_d": 100,
}


def main() -> None:
    """Train what is missing and print the table."""
    arguments = _arguments()
    config, rows = read_yaml(arguments.config), read_yaml(arguments.rows)
    for name in arguments.names or rows:
        for seed in rows[name].get("seeds", [1]):
            place = arguments.output.with_suffix("") / f"{name}-{seed}.jsonl"
            if not any((row["name"], row["seed"]) == (name, seed) for row in _done(arguments.output)):
                _keep(arguments.output, {"name": name, "seed": seed, **_measure(config, rows[name], seed, place)})
    print(_table(_done(arguments.output)))


def settings_of(config: dict[str, Any], row: dict[str, Any], seed: int) -> TrainSettings:
    """What a row trains with: the configuration, or another preset on its data, and what the row changes."""
    values = json.loads(json.dumps(config)) | ({"preset": row["preset"]} if "preset" in row else {})
    for name, value in {**row.get("set", {}), "training.seed": seed}.items():
        assign(values, name, value)
    return train_settings(values)


def _measure(config: dict[str, Any], row: dict[str, Any], seed: int, place: Path) -> dict[str, Any]:
    run = extracted(TrainingRun(settings_of(config, row, seed), Home.from_environment()))
    if row.get("baseline"):
        return _baseline(row["baseline"], run)
    started = time.monotonic()
    run = run_stage("refine", run_stage("train", run))
    seconds = time.monotonic() - started
    captions = captions_of(run, "test")
    write_text(place, "".join(f"{json.dumps({'image': image, 'caption': text})}\n" for image, text in captions.items()))
    scores = score_captions(run.accepted.references("test"), captions).as_json()
    covered = {"covered_50": _covered(run)} if row.get("covered") else {}
    return {"seconds": seconds, **scores, **covered, "val_cider_d": _val_cider_d(run)}


def captions_of(run: TrainingRun, split: str) -> dict[str, str]:
    """What the model says of every image of a split, by the image's name."""
    return {image: caption.text for image, caption in caption_split(run, split).items()}


def _val_cider_d(run: TrainingRun) -> float | None:
    """CIDEr-D of the images that choose, which alone decide between settings."""
    return score_captions(run.accepted.references("val"), captions_of(run, "val"), meteor=False).scores["cider_d"]


def _covered(run: TrainingRun) -> float:
    """CIDEr-D when half of each image is covered."""
    images, predictor = sample(run, "test"), Predictor(run, training_embeddings(run))
    predictions = predict_degraded(run, predictor, images, ["covered_50"])["covered_50"]
    return float(cider_d_of(run.accepted.references("test"), list(images["image"]), predictions.captions).mean())


def _baseline(name: str, run: TrainingRun) -> dict[str, Any]:
    references = run.accepted.references("test")
    if name == "human":
        first = [texts[0] for texts in references.values()]
        return {"scores": leave_one_out(references), "health": caption_health(first).as_dict()}
    return score_captions(references, consensus_captions(run)).as_json()


def extracted(run: TrainingRun) -> TrainingRun:
    """A run with its features extracted."""
    return run_until("extract_features", run)


def _table(rows: list[dict[str, Any]]) -> str:
    lines = [f"| row | seeds | {' | '.join(SHOWN)} | words used | minutes |", "|---" * (len(SHOWN) + 4) + "|"]
    for name in dict.fromkeys(row["name"] for row in rows):
        own = [{**row["scores"], **row["health"], **row} for row in rows if row["name"] == name]
        figures = [_mean([item.get(key) for item in own], scale) for key, scale in SHOWN.items()]
        used = _mean([item.get("words_used") for item in own], 1)
        minutes = _mean([item.get("seconds") for item in own], 1 / 60)
        lines.append(f"| {name} | {len(own)} | {' | '.join(figures)} | {used} | {minutes} |")
    return "\n".join(lines)


def _mean(values: list[float | None], scale: float) -> str:
    there = [value for value in values if value is not None]
    return f"{scale * fmean(there):.1f}" if there else ""


def _done(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.read_text().splitlines()] if output.exists() else []


def _keep(output: Path, row: dict[str, Any]) -> None:
    with output.open("a") as file:
        file.write(json.dumps(row) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, help="settings that name the data and the encoder")
    parser.add_argument("--rows", type=Path, default=Path(__file__).with_suffix(".yaml"), help="the rows of the table")
    parser.add_argument("--output", type=Path, required=True, help="where measured rows are kept, a line each")
    parser.add_argument("names", nargs="*", help="the rows to train; all if none is named")
    return parser.parse_args()


if __name__ == "__main__":
    main()
