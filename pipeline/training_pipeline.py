"""The stages of `train_captioner` in their order; Airflow's tasks and `nightcap train` run them from this table."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pipeline.model.model_uri import ModelUri

if TYPE_CHECKING:
    from pipeline.storage.stage_outputs import StageOutput
    from pipeline.training.run import TrainingRun


class Stage(NamedTuple):
    """A step of a training, skipped when its output is there already."""

    name: str  # of the Airflow task
    # `module:name` of each function that makes an output of a run, or None where there is nothing to make. They are
    # imported when the stage runs, so that a DAG file imports no TensorFlow.
    functions: tuple[str, ...]
    on_gpu: bool = False  # whether a GPU makes it faster


TRAINING_STAGES: Final = (
    Stage("snapshot", ("pipeline.training_pipeline:_list_photographs",)),
    Stage("validate", ("pipeline.training_pipeline:_accept",)),
    Stage(
        "adapt_vocabulary",
        ("pipeline.training.warm_start:provide_start", "pipeline.training.vocabulary_stage:adapt_vocabulary"),
    ),
    Stage("provide_encoder", ("pipeline.training.encoder_stage:provide_encoder",), on_gpu=True),
    # After `pipeline.training.features.extract_shard` ran for each of the `encoder.shards`.
    Stage("extract_features", ("pipeline.training.features:check_features",)),
    Stage("train", ("pipeline.training.train:train",), on_gpu=True),
    Stage("refine", ("pipeline.training.refine:refine",), on_gpu=True),
    Stage("calibrate", ("pipeline.evaluation.calibrate:calibrate",), on_gpu=True),
    Stage("evaluate", ("pipeline.evaluation.evaluate:evaluate",), on_gpu=True),
)
_BY_NAME: Final = {stage.name: stage for stage in TRAINING_STAGES}


def run_stage(name: str, run: TrainingRun, *arguments: Any) -> TrainingRun:
    """Run one stage; `train` and `refine` take a function that gets each epoch's row of the curves."""
    for function in _BY_NAME[name].functions:
        output = pkgutil.resolve_name(function)(run, *arguments)
        run = run.after(output) if output else run
    return run


def run_until(last: str, run: TrainingRun) -> TrainingRun:
    """Run every stage up to and including `last`, all shards of the features included."""
    from pipeline.training.features import extract_shard

    for stage in TRAINING_STAGES:
        if stage.name == "extract_features":
            for shard in range(run.settings.encoder.shards):
                extract_shard(run, shard)
        run = run_stage(stage.name, run)
        if stage.name == last:
            break
    return run


def _list_photographs(run: TrainingRun) -> StageOutput:
    from pipeline.data.snapshot import take_snapshot

    return take_snapshot(run.settings.source, run.source, run.store)


def _accept(run: TrainingRun) -> StageOutput:
    """Accept what may be trained on, quarantine the rest, or stop; the Data Docs of what is rejected go to MLflow."""
    from pipeline.core.errors import DatasetRejected
    from pipeline.data.validation import validate
    from pipeline.data.validation.reference_profiles import collection_of
    from pipeline.data.validation.rejected_runs import keep_docs

    collection = collection_of(run.settings.source)
    try:
        return validate(run.settings.validation, run.output("snapshot"), run.source, run.store, collection)
    except DatasetRejected as rejected:
        keep_docs(run.home, run.settings.registry.experiment, run.done["snapshot"], rejected)
        raise


def data_docs(run: TrainingRun) -> str:
    """The page with the results of validation."""
    return str(run.output("validate").path / "data_docs" / "index.html")


def register(run: TrainingRun) -> tuple[TrainingRun, dict[str, str]]:
    """Pack the bundle and register it; also returns the version's name, number and MLflow run."""
    from pipeline.release.bundle_stage import pack
    from pipeline.release.register import register_bundle

    run = run.after(pack(run))
    version = register_bundle(run)
    return run, {"name": version.name, "version": version.version, "run_id": version.run_id}


def pages(run: TrainingRun, version: str) -> dict[str, str | None]:
    """Where people see a version's run and its Data Docs in a browser; None without an MLflow server."""
    from pipeline.registry.versions import Registry

    registry = Registry(run.home)
    pinned = registry.resolve(str(ModelUri(run.settings.registry.model_name, version)))
    return {"run": registry.page(pinned), "docs": registry.page(pinned, "data_docs/index.html")}


def effort(run: TrainingRun) -> dict[str, float]:
    """`seconds` and `epochs` of both stages of training, and `cider_d` on the test split as a fraction."""
    rows = [row for stage in ("train", "refine") for row in run.output(stage).figures()["curves"]]
    seconds = sum(float(row["seconds"]) for row in rows)
    return {"seconds": seconds, "epochs": len(rows), "cider_d": float(run.scores()["scores"]["cider_d"])}


def gate(run: TrainingRun, version: str) -> dict[str, Any]:
    """Compare the version with the champion; returns the verdict in short."""
    from pipeline.release.gate.stage import judge_version

    return judge_version(run, version).as_json()


def promote_version(
    run: TrainingRun, version: str, verdict: Mapping[str, Any] | None = None, who: str | None = None
) -> dict[str, Any]:
    """Promote the version if the gate, asked again after another promotion, lets it; returns the last verdict."""
    from pipeline.release.gate.promote import promote_judged

    return promote_judged(run, version, verdict or gate(run, version), who)
