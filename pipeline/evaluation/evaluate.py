"""evaluate: caption the test split, score each image, show some."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.core.errors import DatasetRejected
from pipeline.evaluation.gender import gender_errors
from pipeline.evaluation.inference import confidences, unpicked
from pipeline.evaluation.novelty import novel_share
from pipeline.evaluation.objects import chair_of
from pipeline.evaluation.pointing_game import pointing_game
from pipeline.evaluation.reliability import reliability
from pipeline.evaluation.risk_coverage import risk_coverage
from pipeline.evaluation.robustness import robustness
from pipeline.evaluation.samples_page import write_samples
from pipeline.evaluation.slices import slice_scores
from pipeline.metrics.scores import leave_one_out, score_captions
from pipeline.metrics.tokenizer import tokenize
from pipeline.model.interface import Caption
from pipeline.storage.files import write_json, write_text
from pipeline.storage.stage_outputs import StageOutput
from pipeline.training.caption_features import caption_features
from pipeline.training.features import FeatureStore
from pipeline.training.refine import load_decoder
from pipeline.training.run import TrainingRun

_VERSION = 8


def evaluate(run: TrainingRun) -> StageOutput:
    """Write `scores.json`, `captions.jsonl`, `per_image.parquet` and a page of samples for the test split."""

    def build(folder: Path) -> None:
        captions = caption_split(run, "test")
        references = run.accepted.references("test")
        texts = {image: caption.text for image, caption in captions.items()}
        report = score_captions(references, texts)
        _write(folder, captions, report.per_image)
        evidence = report.as_json() | {"test_digest": run.accepted.fingerprint("test")} | _controls(references, texts)
        training = [tuple(tokenize(text)) for text in run.accepted.captions_of("train")["caption"]]
        cider_d = {image: row["cider_d"] for image, row in report.per_image.items()}
        evidence |= {
            "gender": gender_errors(texts, references),
            "robustness": robustness(run),
            **_confidence(run, texts, cider_d),
            "novel": novel_share(texts.values(), set(training)),
            "slices": slice_scores(cider_d, references, training),
        }
        write_json(folder / "scores.json", evidence | _chair(run, references, texts))
        write_samples(folder / "samples", run, captions, references, report.per_image)

    recipe = run.settings.model_dump(mode="json", include={"decoding": True, "evaluation": {"images"}})
    return run.store.run("evaluate", _VERSION, recipe, run.inputs("validate", "refine", "calibrate"), build)


def caption_split(run: TrainingRun, split: str) -> dict[str, Caption]:
    """The model's caption of every image of a split, by the image's name."""
    from pipeline.model.network.generation import Generator

    decoder, words = load_decoder(run)
    generator = Generator(decoder, run.settings.decoding, len(words))
    images = run.accepted.images_of(split)
    captions = caption_features(generator, words, FeatureStore.of(run), list(images["sha256"]))
    return dict(zip(images["image"], captions, strict=True))


def _controls(references: Mapping[str, list[str]], captions: Mapping[str, str]) -> dict[str, Any]:
    """What a person's caption scores against the others, and what the model's score on the wrong images."""
    images = list(captions)
    if len(images) < 2:
        raise DatasetRejected("the test split has fewer than two images, so nothing can be compared")
    moved = dict(zip(images, (captions[image] for image in [*images[1:], images[0]]), strict=True))
    wrong = score_captions(references, moved, meteor=False).scores["cider_d"]
    humans = leave_one_out(references) if min(map(len, references.values())) > 1 else None
    return {"leave_one_out": humans, "wrong_pictures_cider_d": wrong}


def _confidence(run: TrainingRun, captions: Mapping[str, str], scores: Mapping[str, float]) -> dict[str, Any]:
    """How well the confidence puts captions in order, and how right it is as a number of images as nights see them."""
    estimates = dict(zip(captions, confidences(run, "test", captions), strict=True))
    as_seen = list(unpicked(run, "test")["image"])
    return {
        "risk_coverage": risk_coverage(list(estimates.values()), [scores[image] for image in captions]),
        "reliability": reliability([estimates[image] for image in as_seen], [scores[image] for image in as_seen]),
    }


def _chair(run: TrainingRun, references: Mapping[str, list[str]], captions: Mapping[str, str]) -> dict[str, Any]:
    """CHAIR where the source knows what is in the images, by names to search captions for; for scenes, pointing."""
    kind = run.settings.source.kind
    rates = chair_of(kind, captions, run.accepted.boxes("test"), references)
    pointed = {"pointing": pointing_game(run, captions)} if kind == "scenes" else {}
    return ({"chair": rates} if rates else {}) | pointed


def _write(folder: Path, captions: Mapping[str, Caption], per_image: Mapping[str, Mapping[str, float]]) -> None:
    rows = [
        {"image": image, "caption": caption.text, "score": caption.score, **per_image[image]}
        for image, caption in captions.items()
    ]
    pd.DataFrame(rows).to_parquet(folder / "per_image.parquet", index=False)
    keys = ("image", "caption", "score")
    lines = [json.dumps({key: row[key] for key in keys}, ensure_ascii=False) + "\n" for row in rows]
    write_text(folder / "captions.jsonl", "".join(lines))
