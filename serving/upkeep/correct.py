"""People's captions take their place in the table of captions and in the outputs of nights."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager

import pyarrow.compute as pc

from pipeline.core.environment import Home
from pipeline.core.errors import NightcapError
from pipeline.storage.files import write_bytes
from pipeline.storage.locks import writing_in_turn
from pipeline.storage.tables import CaptionTable
from pipeline.storage.tables.corrections import Correction, CorrectionTable
from pipeline.storage.tables.human_captions import add_human_captions, withdraw_human_captions
from pipeline.storage.tables.schema import HUMAN
from serving.reporting.outputs import amend_outputs
from serving.reporting.outputs.index import indexed_runs, nights_with, unwritten_mark
from serving.runs.places import Places
from serving.runs.plan_file import Plan

log = logging.getLogger(__name__)


def publish_corrections(home: Home, corrections: CorrectionTable, given: Collection[Correction]) -> list[Plan]:
    """Keep corrections, make the newest current, and write outputs that tell of them again; returns their nights.

    Corrections that an earlier call left out, as it was stopped, join too. The caller heeds the forgotten images.
    """
    with correcting_alone(home):
        table = corrected_table(home)
        due = _outputs_due(home, table)
        corrections.append(given)
        added = add_human_captions(table, corrections.read())
        return _write_again(home, {each.image for each in given} | added, due)


def withdraw_corrections(
    home: Home, corrections: CorrectionTable, unwanted: Callable[[Correction], bool]
) -> tuple[list[Correction], list[Plan]]:
    """Let images fall back to the captions before; returns what was taken back, and nights whose outputs were written.

    A call that is stopped may be repeated: a correction goes after its row.
    """
    with correcting_alone(home):
        table, found = corrected_table(home), [each for each in corrections.read() if unwanted(each)]
        due = _outputs_due(home, table)
        withdraw_human_captions(table, found)
        corrections.take_back(found.__contains__)
        return found, _write_again(home, {each.image for each in found}, due)


def in_one_form(name: str) -> str:
    """A person's name in one form, however it was typed; earlier versions kept names as they were typed."""
    return unicodedata.normalize("NFC", " ".join(name.split()))


def corrected_table(home: Home) -> CaptionTable:
    """The table that corrections join; raises ObjectUnavailable if it held rows and is not there."""
    return Places.of(home).require_table(CaptionTable(home.captions))


def _write_again(home: Home, images: Collection[str], due: Collection[str]) -> list[Plan]:
    """Change outputs that tell of images, then those that an earlier call has left; one of these may fail once more."""
    nights = _nights_with(home, images)
    for plan in nights:
        amend_outputs(plan, images)
    is_all = True
    for plan in _nights_with(home, due):
        try:
            amend_outputs(plan, due)
        except NightcapError as error:
            is_all = False
            log.warning(
                "the outputs of night %s lack people's captions, until one that is given later: %s", plan.night, error
            )
    if is_all:
        unwritten_mark(home.store).unlink(missing_ok=True)
    return nights


def _nights_with(home: Home, images: Collection[str]) -> list[Plan]:
    has_rows = nights_with(images)
    return [plan for plan in indexed_runs(home.store) if has_rows(plan)] if images else []


def _outputs_due(home: Home, table: CaptionTable) -> set[str]:
    """Images whose outputs an earlier call has perhaps left behind; from now on those of this call may be so, too.

    Only a call that did not end leaves its mark, which names nobody; then these are all images that people captioned.
    """
    mark = unwritten_mark(home.store)
    due = set(table.images(pc.field("source") == HUMAN)) if mark.exists() else set()
    write_bytes(mark, b"")
    return due


def correcting_alone(home: Home) -> AbstractContextManager[None]:
    """One writer of corrections at a time; raises ObjectUnavailable if another does not end."""
    return writing_in_turn(home.store / "corrections.lock", "corrections")
