"""Replays: images that were processed are processed once more, as a night of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import datetime
from functools import cache, partial
from itertools import count

import pyarrow.compute as pc

from pipeline.core.environment import Home
from pipeline.core.errors import SettingsError
from pipeline.core.reasons import KNOWN_REASONS
from pipeline.model.interface import PinnedModel
from pipeline.storage.files import read_json
from pipeline.storage.name_matching import match_names, unknown_among
from pipeline.storage.objects import address_of, printable
from pipeline.storage.tables import QUARANTINED, CaptionTable
from pipeline.storage.tables.replay import Replay
from pipeline.storage.tables.schema import one_of
from serving.planning.model_choice import pin_for_night
from serving.planning.plan import asked
from serving.runs.lifecycle import claim_name, planned_runs
from serving.runs.places import Places
from serving.runs.plan_file import Attempt, Plan
from serving.runs.roots import table_of
from serving.runs.settings import NightSettings


def attempt_of(
    settings: NightSettings, home: Home, moment: datetime, run: str | None = None, model: PinnedModel | None = None
) -> Attempt:
    """The night that ends at an aware moment; a replay of `night` is called `night.r2`, the next `night.r3`.

    A replay that was planned and not published is resumed under its name. A replay with other settings, or whose
    model is another version by now, gets the next name. A plan without images takes no name. Without a `run`, a new
    attempt has a name of its own, claimed in the store, even if several begin in one second.

    Args:
        run: Airflow's run id; by default that of the resumed replay, else one named by the moment.
        model: the pinned version; by default pinned here, if a replay may be resumed.
    """
    by_moment = Attempt.at(moment)
    if settings.replay_night is None:
        return Attempt.at(moment, None if run else claim_name(home.store / "nights", by_moment.night), run)
    table = Places.of(home).require_table(table_of(home, settings.table))
    pinned = cache(lambda: model or pin_for_night(settings, home))

    def is_resumable(made: Plan) -> bool:  # a published run may have no row in the table
        return not made.is_published and made.asked() == asked(settings, home) and made.model == pinned()

    names = (f"{settings.replay_night}.r{number}" for number in count(2))
    planned = ((name, _planned(home, name)) for name in names)
    name, resumed = next(
        (name, plans)
        for name, plans in planned
        if table.run_of(name) is None and all(is_resumable(made) for made in plans)
    )
    run = run or (resumed[-1].run if resumed else claim_name(home.store / "nights" / name, by_moment.run))
    return Attempt(name, run, moment)


def _planned(home: Home, name: str) -> list[Plan]:
    """The plans of a night that have images, in the order of planning."""
    plans = (Plan.read(run.path) for run in planned_runs(home.store, name))
    return sorted((made for made in plans if made.counts.planned), key=lambda made: made.planned_at)


def input_of(home: Home, night: str) -> str | None:
    """The folder of images that a night was planned for; None if its files are gone."""
    runs = planned_runs(home.store, night)
    return str(read_json(runs[-1].path)["input"]) if runs else None


def in_its_input(settings: NightSettings, home: Home, configured: str | None = None) -> NightSettings:
    """Settings with the input of the replayed night, unless they name another input than the configured one."""
    if settings.replay_night is None or settings.input not in (None, configured):
        return settings
    folder = input_of(home, settings.replay_night)
    return settings.model_copy(update={"input": folder}) if folder else settings


def with_known_names(settings: NightSettings, home: Home) -> NightSettings:
    """Settings with `replay_images` as the table names them.

    Raises SettingsError if nobody knows the night, a reason or, under any name, an image that is to be replayed.
    """
    table = Places.of(home).require_table(table_of(home, settings.table))
    if settings.replay_night:
        require_night(table, home, settings.replay_night)
    if not KNOWN_REASONS.issuperset(settings.replay_reasons or ()):
        require_reasons(settings.replay_reasons or (), quarantined(table))
    if not settings.replay_images:
        return settings
    wanted = tuple(map(printable, settings.replay_images))
    if set(table.images(one_of("image", wanted))).issuperset(wanted):
        return settings
    matched = match_names(wanted, table.images(), (address_of(settings.input or home.input),))
    if matched.unknown:
        raise SettingsError(
            f"table {table.uri} knows no image {matched.unknown_named()}; nothing was replayed: name images as it does"
        )
    return settings.model_copy(update={"replay_images": tuple(dict.fromkeys(matched.found.values()))})


def require_night(table: CaptionTable, home: Home, night: str) -> None:
    """Raise SettingsError for a night that has neither rows in the table nor a plan."""
    if table.run_of(night) is None and not planned_runs(home.store, night):
        batches = table.batches(pc.field("night").is_valid(), ["night"])
        nights = {each for batch in batches for each in batch["night"].unique().to_pylist()}
        named = unknown_among([night], nights)
        raise SettingsError(f"table {table.uri} knows no night {named}; name one of its {len(nights)} nights")


def require_reasons(reasons: Collection[str], used: Iterable[str]) -> None:
    """Raise SettingsError for a code that neither this version nor a row that is at hand has as a reason."""
    if unknown := unknown_among(reasons, KNOWN_REASONS.union(used)):
        raise SettingsError(f"nothing is quarantined as {unknown}; docs/reference.md lists the reasons")


def places(table: CaptionTable, replay: Replay, home: Home) -> dict[str, int]:
    """The number of a replay's images by input of their night, or else by their folder; the most frequent first."""
    images = {image for batch in table.replayed(replay) for image in batch["image"].to_pylist()}
    inputs = cache(partial(input_of, home))
    folders = {
        image: inputs(night) or image.rpartition("/")[0]
        for batch in table.batches(pc.field("night").is_valid(), ["image", "night"])
        for image, night in zip(batch["image"].to_pylist(), batch["night"].to_pylist(), strict=True)
        if image in images
    }
    return dict(Counter(folders.values()).most_common())


def quarantined(table: CaptionTable) -> dict[str, int]:
    """The number of quarantined rows of the table by reason, the most frequent first."""
    batches = table.batches(pc.field("status") == QUARANTINED, ["reason"])
    return dict(Counter(reason for batch in batches for reason in batch["reason"].to_pylist()).most_common())
