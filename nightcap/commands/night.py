"""`nightcap night`: the nightly job without Airflow."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightcap.captioning import load_authorised
from nightcap.console import echo, ignored_in_short, show, show_ignored, working
from nightcap.options import (
    NightAssignments,
    NightConfig,
    StrictOption,
    VerboseOption,
    night_settings_from,
    setting_options,
)
from pipeline.core.environment import Home
from pipeline.core.settings.config_file import with_absolute_paths
from serving.runs.settings import NightSettings

if TYPE_CHECKING:
    from serving.runs.plan_file import Attempt


@setting_options(
    NightSettings,
    "input",
    "table",
    "model",
    "accept_quarantine",
    "accept_drift",
    "accept_empty",
    "exclude",
    max_images="Most images; the newest come first.",
    alternatives="Next best captions recorded with each; default none.",
    output="Folder that captions are also written to, or s3://bucket/prefix.",
    write_csv="With --output, a CSV file, too.",
    write_sidecars="With --output, a text file an image.",
)
def command(
    night: Annotated[
        str | None, typer.Option(help="Name of the night, by which it resumes; default the moment.")
    ] = None,
    config: NightConfig = None,
    assignments: NightAssignments = None,
    strict: StrictOption = False,
    verbose: VerboseOption = False,
    **options: Any,
) -> None:
    """Caption what is new in a folder and publish it to a table, once.

    A night that was held back is published as it is, if it is named and accepted. Options come before --set, and that before --config.
    """
    from serving.monitoring.alerts import alerting, home_to_alert
    from serving.night import publish_and_report, run_night
    from serving.planning.model_choice import pin_for_night
    from serving.planning.replay import attempt_of
    from serving.runs.plan_file import Attempt

    with working("captioning"), alerting(home_to_alert(), night) as about:
        options["output"] = with_absolute_paths(NightSettings, Path.cwd(), "output", options["output"])
        home = Home.from_environment()
        settings = night_settings_from(config, assignments, options, home)
        home = home.reaching(settings.input, settings.manifest, settings.output, settings.table)
        now, name = datetime.now(UTC), night or settings.held_night
        attempt = Attempt.at(now, name) if name else attempt_of(settings, home, now)
        about["night"] = attempt.night
        if plan := _held_plan(settings, home, attempt):
            summary = publish_and_report(plan, home, settings.accept_quarantine, settings.accept_drift)
        else:
            summary = run_night(settings, home, pin_for_night(settings, home), partial(load_authorised, home), attempt)
    show_summary(summary)
    if verbose:
        show_ignored(summary.counts.ignored_reasons, summary.ignored)
    if strict and summary.quarantined:
        raise typer.Exit(3)


def _held_plan(settings: NightSettings, home: Home, attempt: Attempt) -> Path | None:
    """The plan of a night that is to be published as it was held back; None if there is something to caption."""
    from serving.planning.plan import held
    from serving.runs.lifecycle import held_night

    if settings.held_night:
        return Path(held(home, settings.held_night)["plan"])
    return held_night(home.store, attempt.night) if settings.accept_quarantine or settings.accept_drift else None


def show_summary(summary: Any) -> None:
    """Print a line about a night on the console, and the path of its page on standard output."""
    reasons = ", ".join(f"{count} {reason}" for reason, count in summary.reasons.items())
    counts, model = summary.counts, summary.model
    show(
        f"night {summary.night}: {summary.captioned} captioned, {summary.quarantined} quarantined"
        f"{f' ({reasons})' if reasons else ''}, {counts.unchanged} unchanged, {ignored_in_short(counts.ignored_reasons)}, "
        f"{summary.backlog} left for later{f' (until {summary.backlog_end})' if summary.backlog and summary.backlog_end else ''}"
        f"{f', {counts.later} too new' if counts.later else ''}"
        f"{f', {counts.again} tried again' if counts.again else ''}"
        f"{f', by {model.name} version {model.version}' if model.version else ''}"
        f"{'; it was already published' if summary.already_published else ''}"
    )
    echo(summary.gallery)
