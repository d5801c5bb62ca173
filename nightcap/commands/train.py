"""`nightcap train`: the training stages without Airflow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nightcap.console import console, load_tensorflow, working
from nightcap.settings_options import settings_from


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
    from pipeline.home import Home
    from pipeline.training_run import TrainingRun

    settings = settings_from(config, assignments or [])
    home = Home.from_environment()
    _reach_registry(home)
    load_tensorflow()
    report = _run_stages(TrainingRun(settings, home))
    _show(report)


def _reach_registry(home: Any) -> None:
    """Say at once, not after an hour's training, that MLflow is not there."""
    from pipeline.registry import Registry

    Registry(home).versions()


def _run_stages(run: Any) -> dict[str, Any]:
    from pipeline import train_captioner as stages

    for stage in (stages.snapshot, stages.validate, stages.adapt_vocabulary, stages.provide_encoder):
        run = _step(stage.__name__, stage, run)
    for shard in range(run.settings.encoder.shards):
        _step(f"extract_shard {shard + 1} of {run.settings.encoder.shards}", stages.extract_shard, run, shard)
    for stage in (stages.extract_features, stages.train, stages.refine, stages.evaluate):
        run = _step(stage.__name__, stage, run)
    run, version = _step("register", stages.register, run)
    verdict = _step("gate", stages.gate, run, version["version"])
    if verdict["promote"]:
        _step("promote", stages.promote, run, version["version"])
    return {
        "version": version,
        "verdict": verdict,
        "scores": run.scores(),
        "samples": run.output("evaluate").path / "samples",
    }


def _step(name: str, stage: Any, *arguments: Any) -> Any:
    with working(name):
        result = stage(*arguments)
    console.print(f"[green]✓[/green] {name}")
    return result


def _show(report: dict[str, Any]) -> None:
    scores, version = report["scores"]["scores"], report["version"]
    figures = "  ".join(f"{name} {value:.3f}" for name, value in scores.items() if value is not None)
    console.print(f"test split: {figures}")
    console.print(f"samples: {report['samples'] / 'index.html'}", markup=False)
    verdict = "promoted" if report["verdict"]["promote"] else "not promoted"
    console.print(
        f"{version['name']} version {version['version']}, {verdict}: {report['verdict']['reason']}", markup=False
    )
    typer.echo(f"models:/{version['name']}/{version['version']}")
