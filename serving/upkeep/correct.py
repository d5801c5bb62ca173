"""People's captions take their place in the table of captions and in the outputs of nights."""

from __future__ import annotations

from collections.abc import Collection

from pipeline.core.environment import Home
from pipeline.storage.tables import CaptionTable
from pipeline.storage.tables.corrections import Correction, CorrectionTable
from pipeline.storage.tables.human_captions import add_human_captions, withdraw_human_captions
from serving.reporting.outputs import write_outputs
from serving.reporting.outputs.index import indexed_runs, nights_with
from serving.runs.places import Places
from serving.runs.plan_file import Plan


def publish_corrections(home: Home, corrections: CorrectionTable, images: Collection[str]) -> list[Plan]:
    """Make the newest corrections current, and write the outputs that tell of some images again; returns their nights.

    Corrections that an earlier call left out, as it was stopped, join too. The caller heeds the forgotten images.
    """
    add_human_captions(corrected_table(home), corrections.read())
    return _write_again(home, images)


def withdraw_corrections(home: Home, taken: Collection[Correction]) -> list[Plan]:
    """Let images fall back to the captions before; returns the nights whose outputs were written again."""
    withdraw_human_captions(corrected_table(home), taken)
    return _write_again(home, {each.image for each in taken})


def corrected_table(home: Home) -> CaptionTable:
    """The table that corrections join; raises ObjectUnavailable if it held rows and is not there."""
    return Places.of(home).require_table(CaptionTable(home.captions))


def _write_again(home: Home, images: Collection[str]) -> list[Plan]:
    has_rows = nights_with(images)
    nights = [plan for plan in indexed_runs(home.store) if has_rows(plan)]
    for plan in nights:
        write_outputs(plan)
    return nights
