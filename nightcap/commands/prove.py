"""`nightcap prove`: train on a public data set from its download on, and write down all that it took."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from nightcap.commands.train import require_registry, run_stages
from nightcap.console import echo, load_tensorflow, show, working
from nightcap.options import values_from
from nightcap.output import destination
from pipeline.core.environment import Home
from pipeline.core.settings import TrainSettings, assign, train_settings

DISK_BYTES = 128e9  # archives, what they unpack to, prepared files, and features beside them; see docs/coco.md
STARTS_FROM = (
    "preset=coco",
    "source.corrections=none",  # the store's are no part of COCO
    "registry.model_name=coco-proof",  # not `captioner`: a proof changes no night
    "encoder.shards=1",  # they would run one after the other, each loading the encoder
)

app = typer.Typer(no_args_is_help=True, help="Train on a public data set and write down all that it took.")


@app.command()
def coco(
    output: Annotated[Path, typer.Option(dir_okay=False, help="The file to write.")] = Path("proof.json"),
    data_dir: Annotated[
        Path | None, typer.Option(file_okay=False, help="Where TensorFlow Datasets keeps data; default its own folder.")
    ] = None,
    max_images: Annotated[
        int | None, typer.Option(min=10, help="Take at most so many images of each split; proves nothing about COCO.")
    ] = None,
    allow_cpu: Annotated[
        bool, typer.Option("--allow-cpu", help="Train without a GPU; takes days on all of COCO.")
    ] = False,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one setting of the preset; the proof says so."),
    ] = None,
) -> None:
    """Download COCO, train the preset coco, evaluate it on the test split and write proof.json.

    An interrupted proof resumes: downloads and stages that are done are used again.
    """
    values = values_from(None, [*STARTS_FROM, *(assignments or [])])
    if data_dir:
        assign(values, "source.data_dir", str(data_dir.absolute()))
    if max_images:
        assign(values, "source.max_images", max_images)
    from serving.monitoring.alerts import TRAINING_FAILED, alerting, home_to_alert

    with alerting(home_to_alert(), event=TRAINING_FAILED), destination(output) as write:
        proof = _prove(train_settings(values), allow_cpu)
        write(json.dumps(proof, indent=1, ensure_ascii=False) + "\n")
    _show(proof)
    echo(output)


def _prove(settings: TrainSettings, allow_cpu: bool) -> dict[str, Any]:
    home = Home.from_environment()
    require_registry(home)
    load_tensorflow()
    from pipeline.release.proof import check_device, proof_of
    from pipeline.training.environment import describe_device
    from pipeline.training.run import TrainingRun

    device = describe_device()
    check_device(device, allow_cpu)
    started, begun = datetime.now(UTC), time.monotonic()
    download = _download(settings)
    trained = run_stages(TrainingRun(settings, home))
    measured = {
        "started": started.isoformat(timespec="seconds"),
        "wall_seconds": round(time.monotonic() - begun, 3),
        "download_seconds": download,
        "extraction": trained.extraction,
        "version": trained.version,
    }
    return proof_of(trained.run, device, measured)


def _download(settings: TrainSettings) -> float | None:
    """Get the encoder's weights and the data set; seconds of the data set's download, None if it was there."""
    from pipeline.data.sources.tfds_download import check_download, is_prepared, prepare_dataset
    from pipeline.model.network.encoder import build_encoder

    dataset, data_dir = settings.source.dataset, settings.source.data_dir
    prepared = is_prepared(dataset, data_dir)
    if not prepared:
        with working("looking for the data set's hosts"):
            check_download(dataset, data_dir, DISK_BYTES)
    with working("loading the encoder"):
        build_encoder(settings.encoder.name, settings.encoder.weights)
    if prepared:
        return None
    begun = time.monotonic()
    with working("downloading"):
        prepare_dataset(dataset, data_dir)
    return round(time.monotonic() - begun, 3)


def _show(proof: dict[str, Any]) -> None:
    scores = proof["figures"]["scores"]
    figures = "  ".join(f"{name} {value:.3f}" for name, value in scores.items() if value is not None)
    show(f"test split: {figures}")
    if not proof["proves_coco"]:
        show(f"this is no proof for COCO: {'; '.join(proof['because'])}", "yellow")
