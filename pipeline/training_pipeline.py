"""The stages of `train_captioner` in their order; Airflow's tasks and `nightcap train` both call them.

A stage takes the run so far and returns it with its own output added.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pipeline.model.model_uri import ModelUri

if TYPE_CHECKING:
    from pipeline.training.run import TrainingRun


def snapshot(run: TrainingRun) -> TrainingRun:
    """List the photographs, captions and splits."""
    from pipeline.data.snapshot import take_snapshot

    return run.after(take_snapshot(run.settings.source, run.source, run.store))


def validate(run: TrainingRun) -> TrainingRun:
    """Accept what may be trained on, quarantine the rest, or stop; the Data Docs of what is rejected go to MLflow."""
    from pipeline.core.errors import DatasetRejected
    from pipeline.data.validation import validate as judge
    from pipeline.data.validation.reference_profiles import collection_of
    from pipeline.data.validation.rejected_runs import keep_docs

    collection = collection_of(run.settings.source)
    try:
        return run.after(judge(run.settings.validation, run.output("snapshot"), run.source, run.store, collection))
    except DatasetRejected as rejected:
        keep_docs(run.home, run.settings.registry.experiment, run.done["snapshot"], rejected)
        raise


def data_docs(run: TrainingRun) -> str:
    """The page that says what validation found."""
    return str(run.output("validate").path / "data_docs" / "index.html")


def adapt_vocabulary(run: TrainingRun) -> TrainingRun:
    """Choose the words from training captions, after those of the version that training starts from."""
    from pipeline.training.vocabulary_stage import adapt_vocabulary as adapt

    if run.settings.training.start_from:
        from pipeline.training.warm_start import provide_start

        run = run.after(provide_start(run, run.settings.training.start_from))
    return run.after(adapt(run))


def provide_encoder(run: TrainingRun) -> TrainingRun:
    """Name the frozen encoder's weights, or train the small one of the scenes."""
    from pipeline.training.encoder_stage import provide_encoder as provide

    return run.after(provide(run))


def extract_shard(run: TrainingRun, shard: int) -> dict[str, int]:
    """Extract one of `encoder.shards` parts of the features."""
    from pipeline.training.features import extract_shard as extract

    return extract(run, shard)


def extract_features(run: TrainingRun) -> TrainingRun:
    """See that every accepted image has features, after all shards ran."""
    from pipeline.training.features import check_features

    return run.after(check_features(run))


def train(run: TrainingRun, watch: Callable[[dict[str, float]], None] = lambda row: None) -> TrainingRun:
    """Fit the decoder."""
    from pipeline.training.train import train as fit

    return run.after(fit(run, watch))


def refine(run: TrainingRun, watch: Callable[[dict[str, float]], None] = lambda row: None) -> TrainingRun:
    """Train it further on the reward of whole captions, where settings ask for it."""
    from pipeline.training.refine import refine as criticise

    return run.after(criticise(run, watch))


def calibrate(run: TrainingRun) -> TrainingRun:
    """Learn on the validation split how far to trust its captions."""
    from pipeline.evaluation.calibrate import calibrate as fit

    return run.after(fit(run))


def evaluate(run: TrainingRun) -> TrainingRun:
    """Judge it on the test split."""
    from pipeline.evaluation.evaluate import evaluate as judge

    return run.after(judge(run))


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


def promote(
    run: TrainingRun, version: str, verdict: Mapping[str, Any] | None = None, who: str | None = None
) -> dict[str, Any]:
    """Make the version the champion if the gate lets it, which is asked again when another promotion came first.

    Args:
        run: with every stage done.
        version: its number.
        verdict: what `gate` returned; None to ask it now.
        who: for the promotion journal; None for the user of this process.

    Returns:
        The verdict that counted in the end, with `promoted`.
    """
    from pipeline.release.gate.promote import promote_judged

    return promote_judged(run, version, verdict or gate(run, version), who)
