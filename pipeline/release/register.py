"""register: one MLflow run with figures and files, and a version that carries the bundle's digest."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pipeline
from pipeline.core.redaction import masked
from pipeline.model.bundle import CARD, ENGINES
from pipeline.registry.lineage import ACCEPTED_TAG, SNAPSHOT_TAG, START_TAG, bundle_of
from pipeline.registry.versions import (
    CHALLENGER,
    CIDER_TAG,
    DIGEST_TAG,
    ENGINE_TAG,
    TEST_TAG,
    TRAININGS_NOTE,
    Registry,
    Version,
)
from pipeline.release.model_card import summary
from pipeline.release.requirements import requirements
from pipeline.release.vocabulary_diff import COUNTS, compared_words
from pipeline.training.run import TrainingRun

log = logging.getLogger(__name__)

_NOTE = """Under *Artifacts*:

- `model_card.md`: what the model is, is for, and how good it is
- `data_docs/index.html`: what was validated, accepted and quarantined, and how far it is from the snapshot before
- `stages.json`: the digests of the outputs that it was made from
- `vocabulary.json`: words that the champion lacks, words that it has alone, and which of these published captions use
- `evaluation/samples/index.html`: test images with the model's captions and people's
- `evaluation/per_image.parquet`: every test caption with its scores
- `gate/../index.html`: the verdict, with the champion's captions beside this version's
"""


def register_bundle(run: TrainingRun) -> Version:
    """Register the bundle as alias `challenger`; a registered digest returns its version."""
    registry = Registry(run.home)
    name, digest = run.settings.registry.model_name, _digest(run)
    version = registry.with_digest(name, digest)
    if version is None:
        card = (_bundle(run) / CARD).read_text(encoding="utf-8")
        note = f"{summary(card)}\n\n{_NOTE}"
        version = registry.create(name, _log_run(run, registry, note), _tags(run, digest), summary(card))
    else:
        log.info("register: %s version %s already holds bundle %s", name, version.version, digest[:12])
    if not version.aliases:  # it is new, or whoever registered it was stopped here
        registry.name_run(version, f"{_source_name(run)}: {name} version {version.version}")
        registry.set_alias(name, CHALLENGER, version.version)
    return version


def _tags(run: TrainingRun, digest: str) -> dict[str, str]:
    scores = run.scores()
    cider = str(scores["scores"]["cider_d"])
    tags = {
        DIGEST_TAG: digest,
        ENGINE_TAG: ENGINES[run.settings.encoder.engine],
        TEST_TAG: scores["test_digest"],
        CIDER_TAG: cider,
    }
    if "start" in run.done:
        tags[START_TAG] = bundle_of(run.output("start").path)
    return tags | {SNAPSHOT_TAG: run.done["snapshot"], ACCEPTED_TAG: run.done["validate"]}


def _digest(run: TrainingRun) -> str:
    return str(run.output("bundle").figures()["bundle_digest"])


def _bundle(run: TrainingRun) -> Path:
    return run.output("bundle").path / "bundle"


def _source_name(run: TrainingRun) -> str:
    """What it was trained on, without folders of the machine that trained."""
    source = run.settings.source
    return source.dataset if source.kind == "tfds" else source.kind


def _log_run(run: TrainingRun, registry: Registry, note: str) -> str:
    import mlflow

    experiment = registry.experiment(run.settings.registry.experiment, TRAININGS_NOTE)
    tags = {DIGEST_TAG: _digest(run)}
    with registry.answering(), mlflow.start_run(experiment_id=experiment, tags=tags, description=note):
        mlflow.log_params(_flat(run.settings.model_dump(mode="json")))
        _log_figures(run)
        words = compared_words(run)
        mlflow.log_dict(words, "vocabulary.json")
        mlflow.log_metrics({f"vocabulary_{key}": float(words[key]) for key in COUNTS if key in words})
        mlflow.log_dict(dict(run.done), "stages.json")
        mlflow.log_artifact(str(_bundle(run) / CARD))
        mlflow.log_artifacts(str(run.output("validate").path / "data_docs"), "data_docs")
        mlflow.log_artifacts(str(run.output("evaluate").path), "evaluation")
        return str(log_model(_bundle(run), _digest(run), ENGINES[run.settings.encoder.engine]).model_uri)


def _log_figures(run: TrainingRun) -> None:
    import mlflow

    for stage in ("train", "refine"):
        for epoch, row in enumerate(run.output(stage).figures()["curves"], start=1):
            mlflow.log_metrics({f"{stage}_{key}": float(value) for key, value in row.items()}, step=epoch)
    scores, words = run.scores(), run.output("adapt_vocabulary").figures()
    mlflow.log_metrics({f"test_{key}": float(value) for key, value in scores["scores"].items() if value is not None})
    mlflow.log_metrics({f"health_{key}": float(value) for key, value in scores["health"].items()})
    mlflow.log_metrics({"novel": scores["novel"], "gender_error": scores["gender"]["error"]})
    mlflow.log_metrics({key: value for key, value in scores.get("chair", {}).items() if key.startswith("chair_")})
    withheld = {f"withheld_{kind}": row["withheld"] for kind, row in scores["robustness"]["kinds"].items()}
    mlflow.log_metrics(withheld | {"risk_coverage_gain_at_70": scores["risk_coverage"]["gain_at_70"]})
    right = scores.get("reliability", {}).items()
    mlflow.log_metrics({f"confidence_{key}": value for key, value in right if isinstance(value, float)})
    pointing = scores.get("pointing", {}).items()
    mlflow.log_metrics({f"pointing_{key}": value for key, value in pointing if value is not None})
    mlflow.log_metrics({f"vocabulary_{key}": words[key] for key in ("size", "val_coverage", "val_out_of_vocabulary")})


def log_model(bundle: Path, digest: str, engine: str) -> Any:
    """Log the pyfunc of a bundle, with our code, in the active MLflow run; it refuses a bundle of another digest."""
    import mlflow

    from pipeline.model.pyfunc_signature import pyfunc_signature

    source = Path(pipeline.__file__).parent
    return mlflow.pyfunc.log_model(
        name="captioner",
        python_model=str(source / "model/pyfunc.py"),
        artifacts={"bundle": str(bundle)},
        code_paths=[str(source)],
        model_config={DIGEST_TAG: digest},
        signature=pyfunc_signature(),
        pip_requirements=requirements(engine),
    )


def _flat(groups: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        f"{group}.{key}": masked(value) if isinstance(value, str) else value
        for group, fields in groups.items()
        for key, value in fields.items()
        if value is not None
    }
