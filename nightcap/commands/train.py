"""`nightcap train`: the training stages without Airflow."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightcap.console import console, echo, literal, load_tensorflow, show, working
from nightcap.options import settings_from
from pipeline.core.environment import Home
from pipeline.model.model_uri import ModelUri
from pipeline.registry.versions import Registry

if TYPE_CHECKING:
    from pipeline.training.run import TrainingRun


def command(
    config: Annotated[
        Path | None, typer.Option(help="A YAML file of settings; may name a preset to start from.")
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one setting, such as training.epochs=3."),
    ] = None,
) -> None:
    """Train, evaluate and register a captioning model. Stages that are done already are skipped."""
    from pipeline.training.run import TrainingRun
    from serving.monitoring.alerts import TRAINING_FAILED, alerting, home_to_alert

    with alerting(home_to_alert(), event=TRAINING_FAILED):
        settings = settings_from(config, assignments)
        home = Home.from_environment()
        require_registry(home)
        load_tensorflow()
        trained = run_stages(TrainingRun(settings, home))
    _show(trained)


def require_registry(home: Home) -> None:
    """Fail at once, not after an hour's training, if MLflow does not answer."""
    Registry(home).versions()


@dataclass(frozen=True)
class Trained:
    """A finished training."""

    run: TrainingRun  # with every stage done
    version: dict[str, str]  # name, version and run_id of the registered model
    verdict: dict[str, Any]  # of the gate
    extraction: dict[str, float]  # images, those extracted now, and seconds


def run_stages(run: TrainingRun) -> Trained:
    """Run every stage of a training that is not done yet, and show each."""
    from pipeline import training_pipeline as stages

    extraction: dict[str, float] = {}
    for stage in stages.TRAINING_STAGES:
        if stage.name == "extract_features":
            extraction = _extract(run)
        run = _step(stage.name, stages.run_stage, stage.name, run)
    run, version = _step("register", stages.register, run)
    verdict = _step("gate", stages.gate, run, version["version"])
    if verdict["promote"] and run.settings.gate.approval == "automatic":
        verdict = _step("promote", stages.promote_version, run, version["version"], verdict)
    return Trained(run, version, verdict, extraction)


def _extract(run: TrainingRun) -> dict[str, float]:
    from pipeline.training.features import extract_shard

    started = time.monotonic()
    shards = run.settings.encoder.shards
    counts = [_step(f"extract_shard {shard + 1} of {shards}", extract_shard, run, shard) for shard in range(shards)]
    total = {key: sum(count[key] for count in counts) for key in ("images", "extracted")}
    return total | {"seconds": round(time.monotonic() - started, 3)}


def _step(name: str, stage: Any, *arguments: Any) -> Any:
    with working(name):
        result = stage(*arguments)
    console.print(f"[green]✓[/green] {literal(name)}")
    return result


def _show(trained: Trained) -> None:
    scores, version, verdict = trained.run.scores()["scores"], trained.version, trained.verdict
    figures = "  ".join(f"{name} {value:.3f}" for name, value in scores.items() if value is not None)
    show(f"test split: {figures}")
    show(f"samples: {trained.run.output('evaluate').path / 'samples/index.html'}")
    if verdict["page"]:
        show(f"verdict: {verdict['page']}")
    outcome = "promoted" if verdict.get("promoted") else "not promoted"
    if verdict["promote"] and not verdict.get("promoted"):
        outcome = f"waits for a person (`nightcap models promote {version['version']}`)"
    show(f"{version['name']} version {version['version']}, {outcome}: {verdict['reason']}")
    echo(str(ModelUri(version["name"], version["version"])))
