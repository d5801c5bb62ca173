"""Forget images everywhere, in a fixed order: lists, trainings, captions, outputs, logs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from pipeline.core.environment import Home
from pipeline.registry.lineage import Exposed
from pipeline.storage.forgotten import remember_to_forget
from pipeline.storage.scrub import drop_mentions
from pipeline.storage.tables import CaptionTable
from pipeline.storage.tables.corrections import CorrectionTable
from pipeline.storage.tables.maintenance import purge
from pipeline.storage.tables.withdraw import erase
from pipeline.storage.trash import empty_trash
from pipeline.upkeep.forget import Forgetting
from serving.reporting.outputs import write_outputs
from serving.reporting.report import report
from serving.upkeep.forget import digests_of, strip_nights, strip_outputs


class ForgetOutcome(NamedTuple):
    """The counts of a call."""

    rows: int  # of captions and corrections, erased
    nights: int  # whose outputs or pages were written again
    files: int  # others that were rewritten or removed
    exposed: list[Exposed]  # registered versions that have learned from the images


def forget_images(
    home: Home, images: frozenset[str], table: str | Path, show_step: Callable[[str], None]
) -> ForgetOutcome:
    """Remove images, named as in the table of captions, from everywhere; after an error a second call resumes."""
    captions = CaptionTable(table)
    remember_to_forget(home.store, images)  # first, so that no night under way brings them back
    empty_trash(home)  # nothing else looks there
    show_step("looking for what was trained on them")
    forgetting = Forgetting(home, images, digests_of(captions, images))
    exposed = forgetting.exposed()
    show_step("removing snapshot rows, features and copies")
    files = forgetting.run(exposed)
    show_step("removing captions")
    nights, outputs = strip_nights(home.store, images), strip_outputs(home.store, images)
    rows = erase(captions, images) + CorrectionTable(home.store / "corrections").forget(images)
    purge(captions)
    for night in nights:
        report(night)
    for output in outputs:
        write_outputs(output)
    files += sum(drop_mentions(log, images) for log in home.root.rglob("*.log"))
    return ForgetOutcome(rows, len(nights) + len(outputs), files, exposed)
