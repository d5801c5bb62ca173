"""The record of a training that others can check: versions, machine, digests, seconds and figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.core.errors import SettingsError
from pipeline.core.settings import Effect, TrainSettings, settings_with, train_settings
from pipeline.data.sources.base import SPLITS
from pipeline.model.network.encoder import weights_sha256
from pipeline.storage.files import read_json
from pipeline.training.encoder_stage import load_encoder
from pipeline.training.environment import versions
from pipeline.training.run import TrainingRun

_FORMAT = 1
KARPATHY = {"train": 113_287, "val": 5_000, "test": 5_000}  # train with restval
_REPORTED_APART = {"source.max_images", "source.corrections"}


def check_device(device: Mapping[str, Any], allow_cpu: bool) -> None:
    """Raise SettingsError without a GPU, unless a CPU was requested."""
    if device["kind"] != "GPU" and not allow_cpu:
        raise SettingsError(
            "TensorFlow sees no GPU, and COCO takes days on CPU cores (docs/coco.md); install nightcap[cuda] on a "
            "machine with an NVIDIA GPU, or give --allow-cpu, best with --max-images"
        )


def proof_of(run: TrainingRun, device: Mapping[str, Any], measured: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a finished training, as JSON; `because` has every reason why it does not prove COCO.

    `measured` holds further fields, such as seconds of the download and the extraction; of an interrupted proof they
    are the last call's alone, and null for a download that was there.
    """
    counts, installed = run.output("validate").figures(), versions()
    because = proof_shortfalls(run.settings, device, counts["splits"], installed["git"])
    return {
        "format": _FORMAT,
        "proves_coco": not because,
        "because": because,
        "settings": run.settings.model_dump(mode="json"),
        "versions": installed,
        "device": dict(device),
        "digests": {
            "source": run.source.fingerprint(),
            "snapshot_content": run.output("snapshot").figures()["content"],
            "encoder_weights": weights_sha256(load_encoder(run.output("encoder"))),
            "bundle": run.output("bundle").figures()["bundle_digest"],
            "stages": dict(run.done),
        },
        "images": {split: counts["splits"][split] for split in SPLITS},
        "pairs": {split: len(run.accepted.captions_of(split)) for split in SPLITS},
        "quarantined": {kind: counts[kind]["quarantined"] for kind in ("images", "captions")},
        "seconds": {stage: read_json(run.output(stage).path / "stage.json")["seconds"] for stage in run.done},
        "training": run.output("train").figures(),
        "figures": run.scores(),
        **measured,
    }


def proof_shortfalls(
    settings: TrainSettings, device: Mapping[str, Any], images: Mapping[str, int], git: Mapping[str, Any] | None
) -> list[str]:
    """Why a training is no proof of the preset `coco` on all of COCO; empty if it is."""
    reasons = [] if device["kind"] == "GPU" else ["trained on a CPU"]
    if git is not None and not git["unchanged"]:
        reasons.append(f"the code was changed since commit {git['commit'][:12]}")
    if settings.source.corrections != "none":
        reasons.append(
            f"source.corrections is {settings.source.corrections!r}, so the data may hold some; none excludes them"
        )
    if settings.source.max_images is not None:
        reasons.append(f"source.max_images is {settings.source.max_images}")
    for split, wanted in KARPATHY.items():
        if images[split] < 0.99 * wanted:  # validation may quarantine a few
            reasons.append(f"{images[split]} {split} images, of {wanted} in the Karpathy split")
    ours, preset = _flat(settings), _flat(train_settings({"preset": "coco"}))
    compared = ours.keys() - _REPORTED_APART - settings_with(Effect.NOT_ON_LEARNING, TrainSettings)
    changed = sorted(name for name in compared if ours[name] != preset[name])
    return reasons + [f"{name} is {ours[name]!r}, in the preset {preset[name]!r}" for name in changed]


def _flat(settings: TrainSettings) -> dict[str, Any]:
    groups = settings.model_dump(mode="json")
    return {f"{group}.{name}": value for group, fields in groups.items() for name, value in fields.items()}
