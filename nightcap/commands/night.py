"""`nightcap night`: the nightly job without Airflow."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightcap.captioning import load
from nightcap.console import console, working
from nightcap.settings_options import NightAssignments, NightConfig, NightModel, night_settings_from

if TYPE_CHECKING:
    from pipeline.core.environment import Home
    from serving.runs.plan_file import Attempt
    from serving.runs.settings import NightSettings


def command(
    folder: Annotated[
        str | None,
        typer.Option("--input", help="Folder of new images, or s3://bucket/prefix; default NIGHTCAP_INPUT."),
    ] = None,
    table: Annotated[str | None, typer.Option(help="Delta table of captions; default NIGHTCAP_CAPTIONS.")] = None,
    night: Annotated[
        str | None, typer.Option(help="Name of the night, by which it resumes; default the moment.")
    ] = None,
    model: NightModel = None,
    max_images: Annotated[int | None, typer.Option(min=1, help="Most images; the newest come first.")] = None,
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
    write_sidecars: Annotated[bool, typer.Option("--sidecars", help="With --output, a text file an image.")] = False,
    config: NightConfig = None,
    assignments: NightAssignments = None,
    strict: Annotated[bool, typer.Option("--strict", help="End with 3 if an image was quarantined.")] = False,
) -> None:
    """Caption what is new in a folder and publish it to a table, once.

    A night that was held back is published as it is, if it is named and accepted. Options come before --set, and that before --config.
    """
    from pipeline.core.environment import Home
    from serving.monitoring.alerts import alerting
    from serving.night import publish_held, run_night
    from serving.planning.model_choice import pin_for_night

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
    home = Home.from_environment()
    settings = night_settings_from(config, assignments, given, home)
    home = home.reaching(settings.input, settings.manifest, settings.output, settings.table)
    attempt = _attempt(settings, home, night)
    with working("captioning"), alerting(home, attempt.night):
        if waiting := _waiting(settings, home, attempt):
            summary = publish_held(waiting, home, settings.accept_quarantine, settings.accept_drift)
        else:
            summary = run_night(settings, home, pin_for_night(settings, home), partial(load, home), attempt)
    show(summary)
    if strict and summary.quarantined:
        raise typer.Exit(3)


def _attempt(settings: NightSettings, home: Home, night: str | None) -> Attempt:
    from serving.planning.replay import attempt_of
    from serving.runs.plan_file import Attempt

    now, name = datetime.now(UTC), night or settings.held_night
    return Attempt.at(now, name) if name else attempt_of(settings, home, now)


def _waiting(settings: NightSettings, home: Home, attempt: Attempt) -> Path | None:
    """The plan of a night that is to be published as it was held back; None if there is something to caption."""
    from serving.planning.plan import held
    from serving.runs.lifecycle import held_night

    if settings.held_night:
        return Path(held(home, settings.held_night)["plan"])
    return held_night(home.store, attempt.night) if settings.accept_quarantine or settings.accept_drift else None


def show(summary: Any) -> None:
    """Say in a line what a night did, and where its page is."""
    reasons = ", ".join(f"{count} {reason}" for reason, count in summary.reasons.items())
    counts, model = summary.counts, summary.model
    console.print(
        f"night {summary.night}: {summary.captioned} captioned, {summary.quarantined} quarantined"
        f"{f' ({reasons})' if reasons else ''}, {counts.unchanged} unchanged, {counts.ignored} ignored, "
        f"{summary.backlog} left for later{f' (until {summary.backlog_end})' if summary.backlog and summary.backlog_end else ''}"
        f"{f', {counts.later} too new' if counts.later else ''}"
        f"{f', by {model.name} version {model.version}' if model.version else ''}"
        f"{'; it was already published' if summary.already_published else ''}"
    )
    typer.echo(summary.gallery)
