"""`nightcap replay`: pictures that were done go through once more."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import typer

from nightcap.captioning import DEFAULT_MODEL, Model, load
from nightcap.commands.night import show
from nightcap.console import console, working
from pipeline.errors import SettingsError


def command(
    reasons: Annotated[
        list[str] | None, typer.Option("--reason", help="Pictures quarantined for this reason; may be repeated.")
    ] = None,
    images: Annotated[
        list[str] | None, typer.Option("--image", help="Only this picture, as the table names it; may be repeated.")
    ] = None,
    night: Annotated[
        str | None,
        typer.Option(help="Only this night's; without --reason all that the model has not captioned, as NIGHT.r2."),
    ] = None,
    folder: Annotated[
        str | None, typer.Option("--input", help="Folder they lie in; default the night's, else the inbox.")
    ] = None,
    table: Annotated[str | None, typer.Option(help="Delta table of captions; default NIGHTCAP_CAPTIONS.")] = None,
    model: Model = DEFAULT_MODEL,
    accept_quarantine: Annotated[
        bool, typer.Option("--accept-quarantine", help="Publish however many are quarantined again.")
    ] = False,
    accept_drift: Annotated[
        bool, typer.Option("--accept-drift", help="Publish however far they are from what the model was made for.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="End with 3 if a picture was quarantined.")] = False,
) -> None:
    """Caption quarantined pictures again after a fix, or a night again with another version; history stays."""
    from pipeline.home import Home
    from pipeline.table import CaptionTable
    from serving.model import pin_for_night
    from serving.night import run_night
    from serving.replay import attempt_of, input_of, quarantined
    from serving.settings import night_settings
    from serving.watch.alerts import alerting

    if not (reasons or images or night):
        raise SettingsError("nothing to replay; name a --reason, an --image or a --night")
    home = Home.from_environment()
    found = folder or (input_of(home, night) if night else None)
    given = {
        "input": found,
        "table": table,
        "model": model,
        "replay_reasons": reasons,
        "replay_images": images,
        "replay_night": night,
    }
    accepted = {"accept_quarantine": accept_quarantine, "accept_drift": accept_drift}
    settings = night_settings({key: value for key, value in given.items() if value} | accepted)
    home = home.reaching(found, table)
    attempt = attempt_of(settings, home, datetime.now(UTC))
    with working("captioning"), alerting(home, attempt.night):
        pinned = pin_for_night(settings, home)
        summary = run_night(settings, home, pinned, partial(load, home), attempt)
    show(summary)
    if not summary.counts.planned:
        known = quarantined(CaptionTable(summary.table))
        told = ", ".join(f"{reason} {count}" for reason, count in known.items()) or "nothing"
        console.print(f"nothing was replayed; quarantined in {summary.table}: {told}", style="yellow", markup=False)
    if strict and summary.quarantined:
        raise typer.Exit(3)
