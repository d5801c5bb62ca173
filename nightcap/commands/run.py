"""`nightcap run`: the whole job on built-in data, on a real Airflow."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from nightcap.console import console, literal, show
from nightcap.options import values_from
from pipeline.core.environment import Home
from pipeline.core.errors import Retryable
from pipeline.core.points import points
from pipeline.core.settings import train_settings
from pipeline.core.settings.form import filled_form

if TYPE_CHECKING:
    from nightcap.local.airflow_api import AirflowApi
    from nightcap.local.stack import LocalStack
    from pipeline.training.run import TrainingRun

FRESH_IMAGES = 50
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STYLES = {"success": "green", "failed": "red", "upstream_failed": "red", "running": "cyan", "skipped": "yellow"}


def command(
    leave: Annotated[bool, typer.Option("--exit", help="Stop everything at the end instead of staying up.")] = False,
    config: Annotated[
        Path | None, typer.Option(help="Train with this YAML file of settings, not on built-in images.")
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one setting, such as preset=flickr8k."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--input", exists=True, file_okay=False, help="Caption this folder, not fresh built-in images."),
    ] = None,
) -> None:
    """Train, register and caption on a real Airflow on this machine; by default all on built-in images."""
    from nightcap.local.stack import USER
    from pipeline.data.sources.scenes.dataset import draw_inbox
    from pipeline.training.run import TrainingRun, paths_of

    values = values_from(config, assignments)
    settings = train_settings(values)
    night = {} if folder is None else {"input": str(folder.resolve())}
    home = Home.from_environment().reaching(*paths_of(settings), night.get("input"))
    with _running_stack(home) as stack:
        registered = _run_dag(stack.api(), "train_captioner", filled_form(values), "register")
        if folder is None:
            images = draw_inbox(home.inbox, FRESH_IMAGES, seed=time.time_ns() % 2**32)
            show(f"{len(images)} fresh images are in {home.inbox}")
        summary = _run_dag(stack.api(), "caption_nightly", night, "report")
        _show_training(TrainingRun(settings, home, registered["done"]), registered["version"])
        _show_night(summary)
        show(f"Airflow  {stack.airflow_url}  (user {USER}, password {stack.password})")
        show(f"MLflow   {stack.mlflow_url}{_login_of(stack)}")
        if not leave:
            show("Airflow and MLflow stay up; Ctrl-C stops them.")
            with suppress(KeyboardInterrupt):
                while True:
                    stack.check()
                    time.sleep(2)


@contextmanager
def _running_stack(home: Home) -> Iterator[LocalStack]:
    """A running stack; it is stopped at the end, after an error, on SIGTERM and when the terminal closes."""
    from nightcap.local.stack import LocalStack

    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores SIGHUP
            signal.signal(number, _interrupt)
    stack = LocalStack(home)
    try:
        show(f"Starting Airflow and MLflow; logs are in {home.root / 'logs'}")
        stack.start()
        show(f"Airflow {stack.airflow_url}   MLflow {stack.mlflow_url}")
        yield stack
    finally:
        _ignore_signals()
        with suppress(OSError):  # the terminal may be closed
            show("Stopping Airflow and MLflow")
        stack.stop()


def _interrupt(number: int, frame: Any) -> NoReturn:
    _ignore_signals()
    raise KeyboardInterrupt


def _ignore_signals() -> None:
    """Stopping takes seconds, and a second Ctrl-C would leave processes running."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _run_dag(api: AirflowApi, dag: str, conf: dict[str, Any], task: str) -> dict[str, Any]:
    """Run a DAG, show every task's state as it changes, and return one task's result; empty if it was skipped."""
    started = time.monotonic()
    run = api.trigger(dag, conf)
    console.print()
    console.print(f"[bold]{dag}[/bold] {literal(f'{api.url}/dags/{dag}/runs/{run}')}")
    try:
        for earlier in set(api.active_runs(dag)) - {run}:
            show(f"  waits for {earlier} to end")
        for name, state in api.state_changes(dag, run):
            if state in STYLES:
                console.print(f"  {time.monotonic() - started:5.0f} s  [{STYLES[state]}]{state:8}[/] {literal(name)}")
    except (KeyboardInterrupt, Retryable):
        api.abandon(dag, run)  # else the next start would resume it first
        raise
    if api.task_states(dag, run).get(task) == "skipped":
        return {}
    return dict(api.result(dag, run, task))


def _show_training(run: TrainingRun, version: str) -> None:
    scores, kept = run.scores(), run.output("refine").figures()["kept"]
    people = truth = ""
    if scores["leave_one_out"]:
        people = f", a reference caption against the others {points(scores['leave_one_out']['cider_d'])}"
    if "chair" in scores:
        truth = f"; {1 - scores['chair']['chair_i']:.1%} of the objects it names are there"
    console.print()
    show(f"validation: CIDEr-D {points(kept['val_cider_d'])}, loss {kept['val_loss']:.3f} nats a word")
    show(
        f"test split: CIDEr-D {points(scores['scores']['cider_d'])}, "
        f"the same captions on other images {points(scores['wrong_pictures_cider_d'])}"
        f"{people}{truth}"
    )
    show(f"{run.settings.registry.model_name} version {version}")
    console.print()


def _show_night(summary: dict[str, Any]) -> None:
    if not summary:
        show("the night found nothing new to caption")
        return
    show(f"night {summary['night']}: {summary['captioned']} captioned, {summary['quarantined']} quarantined")
    from pipeline.storage.tables import CAPTIONED, CaptionTable

    rows = CaptionTable(summary["table"]).rows(summary["night"], summary["run"]).to_pylist()
    for row in [row for row in rows if row["status"] == CAPTIONED][:3]:
        console.print(f"  {literal(PurePath(row['image']).name)}: [bold]{literal(row['caption'])}[/bold]")
    console.print()
    show(f"Gallery  {summary['gallery']}")


def _login_of(stack: LocalStack) -> str:
    if not stack.mlflow_login:
        return ""
    if stack.mlflow_password == stack.password:
        return "  (the same user and password)"
    return f"  (the same user, the password in {stack.home.root / 'airflow/mlflow_password'})"
