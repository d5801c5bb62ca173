"""Corrections in the table and in outputs."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pipeline.core.errors import NightcapError
from pipeline.storage.tables import CaptionTable
from pipeline.storage.tables.corrections import Correction, CorrectionTable
from serving.reporting.outputs.index import unwritten_mark
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
    assert [plan.night for plan in publish_corrections(world.home, corrections, [correction])] == ["n1"]
    assert said(out, "n1") == of_models | {first: "by hand"}
    assert (out / "captions-n2.jsonl").stat() == of_second
    taken, nights = withdraw_corrections(world.home, corrections, lambda each: each.who == "ann")
    assert (taken, [plan.night for plan in nights], corrections.read()) == ([correction], ["n1"], [])
    assert said(out, "n1") == of_models


def test_a_correction_whose_row_was_never_written_joins_with_the_next(world):
    [first, second] = world.fill(2)
    world.night()
    corrections = CorrectionTable(world.home.store / "corrections")
    mine = Correction(first, "by hand", "ann", datetime(2025, 3, 1, tzinfo=UTC))
    corrections.append([mine])  # and killed there
    publish_corrections(world.home, corrections, [replace(mine, image=second)])
    assert CaptionTable(world.home.captions).current([first, second]) == {first: "by hand", second: "by hand"}


def test_a_call_that_was_stopped_over_taking_back_is_done_again(world, monkeypatch):
    [image] = world.fill(1)
    world.night()
    corrections = CorrectionTable(world.home.store / "corrections")
    model = CaptionTable(world.home.captions).current([image])
    publish_corrections(
        world.home, corrections, [Correction(image, "by hand", "ann", datetime(2025, 3, 1, tzinfo=UTC))]
    )
    with monkeypatch.context() as patched:
        patched.setattr(CorrectionTable, "take_back", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            withdraw_corrections(world.home, corrections, lambda _: True)
    taken, _ = withdraw_corrections(world.home, corrections, lambda _: True)
    assert ([each.caption for each in taken], corrections.read()) == (["by hand"], [])
    assert CaptionTable(world.home.captions).current([image]) == model


def test_an_output_that_cannot_be_written_stops_no_later_correction(world, caplog):
    out, other, [first] = world.home.root / "out", world.home.root / "two", world.fill(1)
    world.night("n1", output=str(out))
    [second] = world.fill(1, start=50)
    world.night("n2", output=str(other))
    corrections, of_models = CorrectionTable(world.home.store / "corrections"), said(out, "n1")
    mine = Correction(first, "by hand", "ann", datetime(2025, 3, 1, tzinfo=UTC))
    kept = out.rename(world.home.root / "kept")
    out.write_text("a file where the folder was")
    with pytest.raises(NightcapError):
        publish_corrections(world.home, corrections, [mine])
    publish_corrections(world.home, corrections, [replace(mine, image=second)])
    assert said(other, "n2") == {second: "by hand"}
    assert "the outputs of night n1 lack people's captions" in caplog.text
    with pytest.raises(NightcapError):
        withdraw_corrections(world.home, corrections, lambda each: each.image == first)
    assert [each.image for each in corrections.read()] == [second]
    out.unlink()
    kept.rename(out)
    later = replace(mine, image=second, caption="once more", corrected_at=datetime(2025, 3, 2, tzinfo=UTC))
    publish_corrections(world.home, corrections, [later])
    assert (said(out, "n1"), said(other, "n2")) == (of_models, {second: "once more"})
    assert not unwritten_mark(world.home.store).exists()
