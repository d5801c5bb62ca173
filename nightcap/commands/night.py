"""`nightcap night`: the nightly job without Airflow."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from nightcap.captioning import DEFAULT_MODEL, Model, load
from nightcap.console import console, working


def command(
    folder: Annotated[
        str | None,
        typer.Option("--input", help="Folder of new pictures, or s3://bucket/prefix; default NIGHTCAP_INPUT."),
    ] = None,
    table: Annotated[str | None, typer.Option(help="Delta table of captions; default NIGHTCAP_CAPTIONS.")] = None,
    night: Annotated[
        str | None, typer.Option(help="Name of the night, by which it resumes; default the moment.")
    ] = None,
    model: Model = DEFAULT_MODEL,
    max_images: Annotated[int | None, typer.Option(min=1, help="Most pictures; the newest come first.")] = None,
    alternatives: Annotated[
        int | None, typer.Option(min=0, max=20, help="Next best captions recorded with each; default none.")
    ] = None,
    accept_quarantine: Annotated[
        bool, typer.Option("--accept-quarantine", help="Publish however many are quarantined.")
    ] = False,
    accept_drift: Annotated[
        bool, typer.Option("--accept-drift", help="Publish however far it is from what the model was made for.")
    ] = False,
    output: Annotated[
        str | None, typer.Option(help="Folder that captions are also written to, or s3://bucket/prefix.")
    ] = None,
    write_csv: Annotated[bool, typer.Option("--csv", help="With --output, a CSV file, too.")] = False,
    write_sidecars: Annotated[bool, typer.Option("--sidecars", help="With --output, a text file a picture.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="End with 3 if a picture was quarantined.")] = False,
) -> None:
    """Caption what is new in a folder and publish it to a table, once.

    A night that was held back is published as it is, if it is named and accepted.
    """
    from pipeline.home import Home
    from serving.model import pin_for_night
    from serving.night import publish_held, run_night
    from serving.plans import Attempt
    from serving.settings import night_settings
    from serving.watch.alerts import alerting
    from serving.watch.guard import held_night

    given = {
        "input": folder,
        "table": table,
        "model": model,
        "max_images": max_images,
        "alternatives": alternatives,
        "accept_quarantine": accept_quarantine,
        "accept_drift": accept_drift,
        "output": output if output is None or "://" in output else str(Path(output).absolute()),
        "write_csv": write_csv,
        "write_sidecars": write_sidecars,
    }
    settings = night_settings({key: value for key, value in given.items() if value is not None})
    home = Home.from_environment().reaching(folder, settings.output, table)
    attempt = Attempt.at(datetime.now(UTC), night)
    waiting = held_night(home.store, attempt.night) if accept_quarantine or accept_drift else None
    with working("captioning"), alerting(home, attempt.night):
        if waiting:
            summary = publish_held(waiting, home, accept_quarantine, accept_drift)
        else:
            summary = run_night(settings, home, pin_for_night(settings, home), partial(load, home), attempt)
    show(summary)
    if strict and summary.quarantined:
        raise typer.Exit(3)


def show(summary: Any) -> None:
    """Say in a line what a night did, and where its page is."""
    reasons = ", ".join(f"{count} {reason}" for reason, count in summary.reasons.items())
    counts = summary.counts
    console.print(
        f"night {summary.night}: {summary.captioned} captioned, {summary.quarantined} quarantined"
        f"{f' ({reasons})' if reasons else ''}, {counts.unchanged} unchanged, {counts.ignored} ignored, "
        f"{summary.backlog} left for later{f' (until {summary.backlog_end})' if summary.backlog and summary.backlog_end else ''}"
        f"{f', {counts.later} too new' if counts.later else ''}"
        f"{'; it was already published' if summary.already_published else ''}"
    )
    typer.echo(summary.gallery)
