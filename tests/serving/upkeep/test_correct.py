"""Corrections in the table and in outputs."""

import json
from dataclasses import replace
from datetime import UTC, datetime

from pipeline.storage.tables import CaptionTable
from pipeline.storage.tables.corrections import Correction, CorrectionTable
from serving.upkeep.correct import publish_corrections, withdraw_corrections


def said(folder, night):
    return {each["image"]: each["caption"] for each in map(json.loads, (folder / f"captions-{night}.jsonl").open())}


def test_each_night_with_the_image_says_the_correction_and_other_outputs_stay(world):
    out, first = world.home.root / "out", world.fill(2)[0]
    world.night("n1", output=str(out))
    world.fill(1, start=50)
    world.night("n2", output=str(out))
    of_second = (out / "captions-n2.jsonl").stat()
    of_models = said(out, "n1")
    corrections = CorrectionTable(world.home.store / "corrections")
    correction = Correction(first, "by hand", "ann", datetime(2025, 3, 1, tzinfo=UTC))
    corrections.append([correction])
    assert [plan.night for plan in publish_corrections(world.home, corrections, [first])] == ["n1"]
    assert said(out, "n1") == of_models | {first: "by hand"}
    assert (out / "captions-n2.jsonl").stat() == of_second
    assert [plan.night for plan in withdraw_corrections(world.home, [correction])] == ["n1"]
    assert said(out, "n1") == of_models


def test_a_correction_whose_row_was_never_written_joins_with_the_next(world):
    [first, second] = world.fill(2)
    world.night()
    corrections = CorrectionTable(world.home.store / "corrections")
    mine = Correction(first, "by hand", "ann", datetime(2025, 3, 1, tzinfo=UTC))
    corrections.append([mine, replace(mine, image=second)])  # and killed there
    publish_corrections(world.home, corrections, [second])
    assert CaptionTable(world.home.captions).current([first, second]) == {first: "by hand", second: "by hand"}
