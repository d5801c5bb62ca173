"""What five hundred corrections are worth: a kind of image is kept from a champion, then people correct some of it.

    python -m benchmarks.corrections --config flickr8k.yaml --output FOLDER [--corrections 500] [--clusters 8]

The configuration names a COCO-format folder with test annotations. Its images are clustered by what the encoder sees,
and the cluster most unlike the others is taken out of train. What is trained on the rest becomes champion. Images of
the cluster then get one correction each, a caption that a person wrote, and a training that starts from the champion
goes through the gate. A control trains as long without corrections. All three caption the cluster's other images, and
the test split outside the cluster.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.cluster.vq import kmeans2

from benchmarks.ablation import extracted
from nightcap.commands.train import Trained, run_stages
from pipeline.core.environment import Home
from pipeline.core.settings import assign, read_yaml, train_settings
from pipeline.data.sources.base import SPLITS
from pipeline.evaluation.inference import cider_d_of
from pipeline.metrics.bootstrap import bounds
from pipeline.model.model_uri import ModelUri
from pipeline.registry.promotions import VERDICT_TAG, Promotions
from pipeline.storage.files import write_json
from pipeline.storage.tables.corrections import Correction, CorrectionTable
from pipeline.training.caption_features import caption_features
from pipeline.training.features import FeatureStore
from pipeline.training.refine import load_decoder
from pipeline.training.run import TrainingRun
from pipeline.training_pipeline import run_until

POINTS = 100
FEWEST = 700  # images of the cluster, so that enough are left for evaluation
NAME = "corrections_benchmark"  # a registered model of its own
CONTINUING = {"training.epochs": 2, "training.learning_rate": 3e-4}


def main() -> None:
    """Train what is missing and print what each scores, as JSON."""
    arguments = _arguments()
    config, output = read_yaml(arguments.config), arguments.output.absolute()
    output.mkdir(parents=True, exist_ok=True)
    assign(config, "registry.model_name", NAME)
    whole = extracted(_run(config, {"source.corrections": "none"}))
    cluster = _most_unlike(whole, arguments.clusters)
    corrected, evaluated = _shares(whole, cluster, arguments.corrections)

    without = {"source.train_annotations": str(_annotations(whole, cluster, output / "without.json"))}
    champion = run_stages(_run(config, without | {"source.corrections": "none"}))
    table = {"source.corrections": str(_correct(whole, corrected, output / "corrections"))}
    start = {"training.start_from": str(ModelUri(NAME, champion.version["version"]))}
    challenger = run_stages(_run(config, without | table | start | CONTINUING))
    control = _run(config, without | {"source.corrections": "none"} | start | CONTINUING)
    runs = {"champion": champion.run, "control": run_until("refine", control)}
    report = {"cluster": len(cluster), "corrections": len(corrected), "verdict": _verdict(challenger)}
    report |= {name: _compare(whole, images, challenger.run, runs) for name, images in evaluated.items()}
    write_json(output / "report.json", report)
    print(json.dumps(report, indent=1))


def _run(config: dict[str, Any], values: dict[str, Any]) -> TrainingRun:
    changed = json.loads(json.dumps(config))
    for name, value in values.items():
        assign(changed, name, value)
    home = Home.from_environment()
    images = str(Path(changed["source"]["images"]).absolute())
    return TrainingRun(train_settings(changed), replace(home, roots=(*home.roots, images)))


def _verdict(trained: Trained) -> str:
    """The first verdict of the gate on a version."""
    registry = Promotions(trained.run.home).registry
    return registry.tags(registry.resolve(str(ModelUri(NAME, trained.version["version"]))))[VERDICT_TAG]


def _most_unlike(run: TrainingRun, clusters: int) -> pd.DataFrame:
    """The images of the cluster whose centre is farthest from the others', of those that are large enough."""
    images = run.accepted.images.drop_duplicates("sha256")
    points = _pooled(run, list(images["sha256"]))
    centres, labels = kmeans2(points, clusters, iter=50, minit="++", rng=np.random.default_rng(0))
    sizes = np.bincount(labels, minlength=clusters)
    distances = np.linalg.norm(centres - centres.mean(axis=0), axis=1)
    return images[labels == np.argmax(np.where(sizes >= FEWEST, distances, 0))]


def _pooled(run: TrainingRun, shas: Sequence[str]) -> npt.NDArray[np.float32]:
    """Mean features of unit length: float32 [images, channels]."""
    store = FeatureStore.of(run)
    pooled = np.stack([store.gather([sha])[0].astype(np.float32).mean(axis=0) for sha in shas])
    return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)


def _shares(run: TrainingRun, cluster: pd.DataFrame, count: int) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """The images that are corrected, by digest, and those for evaluation: the cluster's others, and test elsewhere."""
    candidates = cluster[cluster["split"] != "test"].sort_values("sha256")
    test = run.accepted.images_of("test")
    inside, elsewhere = (test[test["sha256"].isin(cluster["sha256"]) == there] for there in (True, False))
    return candidates.head(count), {
        "in_the_cluster": pd.concat([candidates.iloc[count:], inside]),
        "elsewhere": elsewhere,
    }


def _annotations(run: TrainingRun, cluster: pd.DataFrame, path: Path) -> Path:
    """Train and val without the cluster, in COCO's format."""
    images = run.accepted.images
    kept = images[(images["split"] != "test") & ~images["sha256"].isin(cluster["sha256"])]["image"]
    captions = run.accepted.captions[run.accepted.captions["image"].isin(kept)]
    rows = zip(captions["image"], captions["caption"], strict=True)
    listed = {
        "images": [{"id": image, "file_name": image} for image in kept],
        "annotations": [{"image_id": image, "caption": caption} for image, caption in rows],
    }
    write_json(path, listed)
    return path


def _correct(run: TrainingRun, images: pd.DataFrame, path: Path) -> Path:
    """One correction an image, once: the first of its captions."""
    table, folder = CorrectionTable(path), Path(str(run.settings.source.images)).absolute()
    texts, when = run.accepted.captions.drop_duplicates("image").set_index("image")["caption"], datetime.now(UTC)
    if not table.read():
        table.append(Correction(str(folder / image), texts[image], "benchmark", when) for image in images["image"])
    return path


def _compare(
    whole: TrainingRun, images: pd.DataFrame, corrected: TrainingRun, others: dict[str, TrainingRun]
) -> dict[str, Any]:
    """Points on the same images, with document frequencies of these, and what corrections gain with its bounds."""
    references = {image: texts for split in SPLITS for image, texts in whole.accepted.references(split).items()}
    own = {image: references[image] for image in images["image"]}
    scores = {name: POINTS * cider_d_of(own, list(own), _captions(run, images)) for name, run in others.items()}
    new = POINTS * cider_d_of(own, list(own), _captions(corrected, images))
    return {
        "images": len(own),
        "corrected": float(new.mean()),
        **{name: {"points": float(old.mean()), "gain": bounds(new - old)._asdict()} for name, old in scores.items()},
    }


def _captions(run: TrainingRun, images: pd.DataFrame) -> list[str]:
    from pipeline.model.network.generation import Generator

    decoder, words = load_decoder(run)
    generator = Generator(decoder, run.settings.decoding, len(words))
    captions = caption_features(generator, words, FeatureStore.of(run), list(images["sha256"]))
    return [caption.text for caption in captions]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, help="settings that name the data and the encoder")
    parser.add_argument("--output", type=Path, required=True, help="where the report and what it needs are kept")
    parser.add_argument("--corrections", type=int, default=500, help="images that are corrected")
    parser.add_argument("--clusters", type=int, default=8, help="kinds of images")
    return parser.parse_args()


if __name__ == "__main__":
    main()
