"""`nightcap replay`: images that were done go through once more."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from nightcap.captioning import load
from nightcap.commands.night import show
from nightcap.console import console, working
from nightcap.settings_options import NightAssignments, NightConfig, NightModel, night_settings_from
from pipeline.core.errors import SettingsError

if TYPE_CHECKING:
    from pipeline.core.environment import Home
    from pipeline.storage.tables.replay import Replay


def command(
    reasons: Annotated[
        list[str] | None, typer.Option("--reason", help="Images quarantined for this reason; may be repeated.")
    ] = None,
    images: Annotated[
        list[str] | None, typer.Option("--image", help="Only this image, as the table names it; may be repeated.")
    ] = None,
    night: Annotated[
        str | None,
        typer.Option(help="Only this night's; without --reason all that the model has not captioned, as NIGHT.r2."),
    ] = None,
    folder: Annotated[
        str | None, typer.Option("--input", help="Folder they lie in; default the night's, else the inbox.")
    ] = None,
    table: Annotated[str | None, typer.Option(help="Delta table of captions; default NIGHTCAP_CAPTIONS.")] = None,
    model: NightModel = None,
    accept_quarantine: Annotated[
        bool, typer.Option("--accept-quarantine", help="Publish however many are quarantined again.")
    ] = False,
    accept_drift: Annotated[
        bool, typer.Option("--accept-drift", help="Publish however far they are from what the model was made for.")
    ] = False,
    config: NightConfig = None,
    assignments: NightAssignments = None,
    strict: Annotated[bool, typer.Option("--strict", help="End with 3 if an image was quarantined.")] = False,
) -> None:
    """Caption quarantined images again after a fix, or a night again with another version; history stays.

    What was fixed may be a setting: --set min_side=4, or --config. Options come before --set, and that before --config.
    """
    from pipeline.core.environment import Home
    from serving.monitoring.alerts import alerting
    from serving.night import run_night
    from serving.planning.model_choice import pin_for_night
    from serving.planning.replay import attempt_of

    given = {
        "input": folder,
        "table": table,
        "model": model,
        "replay_reasons": reasons or None,
        "replay_images": images or None,
        "replay_night": night,
        "accept_quarantine": accept_quarantine,
        "accept_drift": accept_drift,
    }
    home = Home.from_environment()
    settings = night_settings_from(config, assignments, given, home)
    if not settings.replay(("", "")):
        raise SettingsError("nothing to replay; name a --reason, an --image or a --night")
    home = home.reaching(settings.input, settings.manifest, settings.output, settings.table)
    attempt = attempt_of(settings, home, datetime.now(UTC))
    with working("captioning"), alerting(home, attempt.night):
        pinned = pin_for_night(settings, home)
        summary = run_night(settings, home, pinned, partial(load, home), attempt)
    show(summary)
    if not summary.counts.planned:
        asked = settings.replay((pinned.name, pinned.version))
        told = _why_nothing(summary.table, asked, settings.input or home.input, home)
        console.print(f"nothing was replayed; {told}", style="yellow", markup=False)
    if strict and summary.quarantined:
        raise typer.Exit(3)


def _why_nothing(uri: str, asked: Replay | None, looked: str, home: Home) -> str:
    """Where the images lie that were asked for; if nowhere else, what the table has quarantined."""
    from pipeline.storage.objects import address_of
    from pipeline.storage.tables import CaptionTable
    from serving.planning.replay import places, quarantined

    table, looked = CaptionTable(uri), address_of(looked)
    found = places(table, asked, home) if asked else {}
    if elsewhere := {place: count for place, count in found.items() if place != looked}:
        told = ", ".join(f"{count} in {place}" for place, count in elsewhere.items())
        return f"of {uri}'s images that were asked for none lies in {looked}, but {told}; name one with --input"
    told = ", ".join(f"{reason} {count}" for reason, count in quarantined(table).items())
    return f"quarantined in {uri}: {told or 'nothing'}"
