"""`nightcap run`: the whole job on built-in data, on a real Airflow."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from nightcap.console import console

if TYPE_CHECKING:
    from nightcap.local.airflow_api import AirflowApi
    from nightcap.local.stack import LocalStack
    from pipeline.home import Home

FRESH_PICTURES = 50
STYLES = {"success": "green", "failed": "red", "upstream_failed": "red", "running": "cyan", "skipped": "yellow"}


def command(
    leave: Annotated[bool, typer.Option("--exit", help="Stop everything at the end instead of staying up.")] = False,
) -> None:
    """Train on built-in pictures, register, and caption fresh ones, all on a real Airflow on this machine."""
    from nightcap.local.airflow_api import AirflowApi
    from nightcap.local.stack import USER
    from pipeline.home import Home

    home = Home.from_environment()
    with _stack(home) as stack:
        api = AirflowApi(stack.airflow_url, USER, stack.password)
        trained = _train(api, stack)
        summary = _caption(api, stack, home)
        _show(home, stack, trained, summary)
        if not leave:
            console.print("Airflow and MLflow stay up; Ctrl-C stops them.")
            _stay(stack)


@contextmanager
def _stack(home: Home) -> Iterator[LocalStack]:
    """A running stack that is stopped whatever happens, on SIGTERM and a closed terminal too."""
    from nightcap.local.stack import LocalStack

    def interrupt(number: int, frame: Any) -> NoReturn:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    stack = LocalStack(home)
    try:
        console.print(f"Starting Airflow and MLflow; logs are in {home.root / 'logs'}")
        stack.start()
        console.print(f"Airflow {stack.airflow_url}   MLflow {stack.mlflow_url}")
        yield stack
    finally:
        console.print("Stopping Airflow and MLflow")
        stack.stop()


def _train(api: AirflowApi, stack: LocalStack) -> dict[str, Any]:
    run = _follow(api, stack, "train_captioner", {"preset": "scenes"})
    return dict(api.result("train_captioner", run, "register"))


def _caption(api: AirflowApi, stack: LocalStack, home: Home) -> dict[str, Any]:
    from pipeline.sources.scenes.dataset import draw_inbox

    drawn = draw_inbox(home.inbox, FRESH_PICTURES, seed=time.time_ns() % 2**32)
    console.print(f"{len(drawn)} fresh pictures are in {home.inbox}")
    run = _follow(api, stack, "caption_nightly", {})
    return dict(api.result("caption_nightly", run, "report"))


def _follow(api: AirflowApi, stack: LocalStack, dag: str, conf: dict[str, Any]) -> str:
    started = time.monotonic()
    run = api.trigger(dag, conf)
    console.print(f"\n[bold]{dag}[/bold] {stack.airflow_url}/dags/{dag}/runs/{run}")
    for task, state in api.follow(dag, run, stack.check):
        if state in STYLES:
            console.print(f"  {time.monotonic() - started:5.0f} s  [{STYLES[state]}]{state:8}[/] {task}")
    return run


def _show(home: Home, stack: LocalStack, trained: dict[str, Any], summary: dict[str, Any]) -> None:
    from nightcap.local.stack import USER
    from pipeline.files import read_json
    from pipeline.settings import train_settings
    from pipeline.train_captioner import scores
    from pipeline.training_run import TrainingRun

    found = scores(TrainingRun(train_settings({}), home, trained["done"]))
    best = min(
        read_json(home.store / "stages" / "train" / trained["done"]["train"][:32] / "figures.json")["curves"],
        key=lambda row: row["val_loss"],
    )
    truth = found["truth"]
    console.print(f"\nvalidation loss {best['val_loss']:.3f} nats a word")
    console.print(
        f"test split: CIDEr-D {found['scores']['cider_d']:.2f} (people-like captions {found['leave_one_out']['cider_d']:.2f}, "
        f"on wrong pictures {found['wrong_pictures_cider_d']:.2f}); {truth['pair_precision']:.0%} of named objects are there"
    )
    console.print(
        f"captioner version {trained['version']}; night {summary['night']}: {summary['captioned']} captioned, {summary['quarantined']} quarantined\n"
    )
    for image, caption in _examples(summary):
        console.print(f"  {image}: [bold]{caption}[/bold]")
    console.print(f"\nGallery  {summary['gallery']}")
    console.print(f"Airflow  {stack.airflow_url}  (user {USER}, password {stack.password})")
    console.print(f"MLflow   {stack.mlflow_url}")


def _examples(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """Three captions of the night beside their pictures' names."""
    from pathlib import PurePath

    from pipeline.table import CAPTIONED, CaptionTable

    rows = CaptionTable(summary["table"]).rows(summary["night"], summary["run"]).to_pylist()
    captioned = [row for row in rows if row["status"] == CAPTIONED][:3]
    return [(PurePath(row["image"]).name, row["caption"]) for row in captioned]


def _stay(stack: LocalStack) -> None:
    while True:
        stack.check()
        time.sleep(2)
