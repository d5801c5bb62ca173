"""Replays: images that were done are sent through once more, as a night of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from functools import cache, partial
from itertools import count

import pyarrow.compute as pc

from pipeline.core.environment import Home
from pipeline.model.interface import PinnedModel
from pipeline.storage.files import read_json
from pipeline.storage.tables import QUARANTINED, CaptionTable
from pipeline.storage.tables.replay import Replay
from serving.planning.model_choice import pin_for_night
from serving.planning.plan import asked
from serving.runs.lifecycle import planned_runs
from serving.runs.plan_file import Attempt, Plan
from serving.runs.roots import table_of
from serving.runs.settings import NightSettings


def attempt_of(
    settings: NightSettings, home: Home, moment: datetime, run: str | None = None, model: PinnedModel | None = None
) -> Attempt:
    """The night that ends at an aware moment; a replay of `night` is called `night.r2`, the next `night.r3`.

    A replay that was planned and not published is resumed under its name; one that asks for something else, or whose
    model is another version by now, has the next. A plan without images is in nobody's way.

    Args:
        settings: of the night.
        home: where the default table lies.
        moment: before which its images were modified.
        run: Airflow's run id; by default that of the replay that is resumed, else one named by the moment.
        model: the pinned version; asked for only if a replay may be resumed.

    Raises:
        NightcapError: as `pin_for_night`, where a replay may be resumed.
    """
    if settings.replay_night is None:
        return Attempt.at(moment, run=run)
    table = table_of(home, settings.table)
    pinned = cache(lambda: model or pin_for_night(settings, home))
    names = (f"{settings.replay_night}.r{number}" for number in count(2))
    planned = ((name, _planned(home, name)) for name in names)
    name, waiting = next(
        (name, plans)
        for name, plans in planned
        if table.run_of(name) is None
        and all(_is_same(made, settings, home) and made.model == pinned() for made in plans)
    )
    return Attempt(name, run or (waiting[-1].run if waiting else Attempt.at(moment).run), moment)


def _planned(home: Home, name: str) -> list[Plan]:
    """The plans under a name that have images, the last one planned last."""
    plans = (Plan.read(run.path) for run in planned_runs(home.store, name))
    return sorted((made for made in plans if made.counts.planned), key=lambda made: made.planned_at)


def _is_same(made: Plan, settings: NightSettings, home: Home) -> bool:
    """Whether a plan waits for just what is asked; one that was published may have left no row in the table."""
    return not made.is_published and made.asked() == asked(settings, home)


def input_of(home: Home, night: str) -> str | None:
    """The folder of images that a night was planned for; None if its files are gone."""
    runs = planned_runs(home.store, night)
    return str(read_json(runs[-1].path)["input"]) if runs else None


def in_its_input(settings: NightSettings, home: Home, usual: str | None = None) -> NightSettings:
    """Settings of a replay of a night that look where that night did, unless they name another input than the usual."""
    if settings.replay_night is None or settings.input not in (None, usual):
        return settings
    found = input_of(home, settings.replay_night)
    return settings.model_copy(update={"input": found}) if found else settings


def places(table: CaptionTable, replay: Replay, home: Home) -> dict[str, int]:
    """How many images that a replay is for lie where, the most first: in the inputs of their nights, or their folders."""
    waiting = {image for batch in table.replayed(replay) for image in batch["image"].to_pylist()}
    inputs = cache(partial(input_of, home))
    found = {
        image: inputs(night) or image.rpartition("/")[0]
        for batch in table.batches(pc.field("night").is_valid(), ["image", "night"])
        for image, night in zip(batch["image"].to_pylist(), batch["night"].to_pylist(), strict=True)
        if image in waiting
    }
    return dict(Counter(found.values()).most_common())


def quarantined(table: CaptionTable) -> dict[str, int]:
    """How many rows of the table are quarantined, by reason, the most frequent first."""
    return dict(Counter(_reasons(table)).most_common())


def _reasons(table: CaptionTable) -> Iterator[str]:
    for batch in table.batches(pc.field("status") == QUARANTINED, ["reason"]):
        yield from batch["reason"].to_pylist()
