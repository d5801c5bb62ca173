"""`nightcap replay`: images that were done go through once more."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import typer

from nightcap.captioning import load_authorised
from nightcap.commands.night import show_summary
from nightcap.console import show, working
from nightcap.options import NightAssignments, NightConfig, StrictOption, night_settings_from, setting_options
from pipeline.core.environment import Home
from pipeline.core.errors import SettingsError
from serving.runs.settings import NightSettings

if TYPE_CHECKING:
    from pipeline.storage.tables.replay import Replay


@setting_options(
    NightSettings,
    "table",
    "model",
    replay_reasons="Images quarantined for this reason; may be repeated.",
    replay_images="Only this image, as the table names it; may be repeated.",
    replay_night="Only this night's; without --reason all that the model has not captioned, as NIGHT.r2.",
    input="Folder they lie in; default the night's, else the inbox.",
    accept_quarantine="Publish however many are quarantined again.",
    accept_drift="Publish however far they are from what the model was made for.",
)
def command(
    config: NightConfig = None,
    assignments: NightAssignments = None,
    strict: StrictOption = False,
    **options: Any,
) -> None:
    """Caption quarantined images again after a fix, or a night again with another version; history stays.

    What was fixed may be a setting: --set min_side=4, or --config. Options come before --set, and that before --config.
    """
    from serving.monitoring.alerts import alerting, home_to_alert
    from serving.night import run_night
    from serving.planning.model_choice import pin_for_night
    from serving.planning.replay import attempt_of, with_known_names

    with working("captioning"), alerting(home_to_alert()) as about:
        home = Home.from_environment()
        settings = night_settings_from(config, assignments, options, home)
        if not settings.replay(("", "")):
            raise SettingsError("nothing to replay; name a --reason, an --image or a --night")
        home = home.reaching(settings.input, settings.manifest, settings.output, settings.table)
        settings = with_known_names(settings, home)
        attempt = attempt_of(settings, home, datetime.now(UTC))
        about["night"] = attempt.night
        pinned = pin_for_night(settings, home)
        summary = run_night(settings, home, pinned, partial(load_authorised, home), attempt)
    show_summary(summary)
    if not summary.counts.planned:
        replay = settings.replay((pinned.name, pinned.version))
        reason = _why_nothing(summary.table, replay, settings.input or home.input, home)
        show(f"nothing was replayed; {reason}", "yellow")
    if strict and summary.quarantined:
        raise typer.Exit(3)


def _why_nothing(uri: str, replay: Replay | None, folder: str, home: Home) -> str:
    """Where the images of a replay lie, if not in the folder; if nowhere, the counts of the table's quarantined."""
    from pipeline.storage.objects import address_of
    from pipeline.storage.tables import CaptionTable
    from serving.planning.replay import places, quarantined

    table, folder = CaptionTable(uri), address_of(folder)
    counts = places(table, replay, home) if replay else {}
    elsewhere = ", ".join(f"{count} in {place}" for place, count in counts.items() if place != folder)
    if elsewhere:
        return f"of {uri}'s images that were asked for none lies in {folder}, but {elsewhere}; name one with --input"
    reasons = ", ".join(f"{reason} {count}" for reason, count in quarantined(table).items())
    return f"quarantined in {uri}: {reasons or 'nothing'}"
