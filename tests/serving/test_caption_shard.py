"""Shards: parts that resume, and the next best captions of one search, recorded as many as asked for."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.core.errors import BundleRejected, ObjectUnavailable
from pipeline.imaging.decode import ImageLimits
from pipeline.imaging.sandbox import Decoders, Work
from pipeline.model.interface import Caption
from pipeline.storage.files import read_json, write_json
from pipeline.storage.objects import LocalFolder
from serving.caption_shard import caption_shard, decode_image
from serving.planning.plan import plan
from serving.runs.plan_file import Plan
from serving.runs.settings import NightSettings
from tests.serving.night_world import PINNED, ColourCaptioner, image, settings_of, unexpected


def planned(world, **settings):
    return plan(settings_of(**settings), world.home, PINNED, world.attempt())["plan"]


class Searching(ColourCaptioner):
    """Considers four captions an image, the model's own beam."""

    def caption(self, pixels):
        return [
            Caption(best.text, best.score, tuple(f"{best.text} {rank}" for rank in ("second", "third", "fourth")))
            for best in super().caption(pixels)
        ]


def recorded(world, **settings):
    captioner = Searching()
    world.fill(2)
    world.night(load=lambda pinned: captioner, **settings)
    assert captioner.calls == [2]  # one search, whatever is recorded of it
    return [(row["caption"], row["alternatives"]) for row in world.rows(current=True)]


def test_none_are_recorded_unless_asked_for(world):
    assert [others for _, others in recorded(world)] == [[], []]


def test_the_best_come_first_and_differ_from_the_caption(world):
    for caption, others in recorded(world, alternatives=2):
        assert others == [f"{caption} second", f"{caption} third"]


def test_no_more_than_were_considered(world):
    assert {len(others) for _, others in recorded(world, alternatives=20)} == {3}


def test_what_changes_after_planning_is_source_changed_and_comes_again(world):
    paths = world.fill(4)
    path = planned(world)
    world.put("001.jpg", image("white", (99, 99)))
    Path(paths[2]).unlink()
    counts = caption_shard(path, 0, world.load)
    assert counts == {"shard": 0, "captioned": 2, "quarantined": 2, "left": 0, "reasons": {"source_changed": 2}}
    world.night()
    summary = world.night("n2")
    assert (summary.captioned, summary.counts.planned) == (1, 1)


def test_a_retry_repeats_only_the_part_it_was_at(world):
    world.fill(6)
    path = planned(world, part_size=2, readers=1)

    class Failing(ColourCaptioner):
        def caption(self, pixels):
            if len(self.calls) == 2:
                raise RuntimeError("out of memory")
            return super().caption(pixels)

    with pytest.raises(RuntimeError, match="out of memory"):
        caption_shard(path, 0, lambda pinned: Failing())
    kept = {file.name: file.stat().st_mtime_ns for file in (world.folder() / "parts").iterdir()}
    assert len(kept) == 2
    assert caption_shard(path, 0, world.load)["captioned"] == 6
    assert world.captioner.calls == [2]
    assert {name: (world.folder() / "parts" / name).stat().st_mtime_ns for name in kept} == kept
    assert caption_shard(path, 0, unexpected)["captioned"] == 6


def test_a_lost_folder_fails_the_shard_and_quarantines_nothing(world):
    world.fill(3)
    path = planned(world)
    listed = Plan.read(path).images(0)
    folder = LocalFolder(world.home.inbox)
    world.home.inbox.rename(world.home.root / "unmounted")
    decoders = Decoders(Work(ImageLimits(), 16, "squash"), 1)
    with decoders, pytest.raises(ObjectUnavailable, match="still mounted"):
        decode_image(folder, listed[0], decoders, NightSettings())
    with pytest.raises(ObjectUnavailable, match="it was there when the night was planned"):
        caption_shard(path, 0, world.load)
    assert not (world.folder() / "parts").exists()


def test_another_model_than_the_pinned_is_refused(world):
    world.fill(1)
    with pytest.raises(BundleRejected, match="plan a new run"):
        caption_shard(planned(world), 0, lambda pinned: ColourCaptioner(engine="other"))


def test_what_the_deadline_leaves_is_the_next_nights(world):
    world.fill(4)
    path = Path(planned(world, part_size=1, stop_at="12:00"))
    plan_json = read_json(path)
    assert datetime.fromisoformat(plan_json["deadline"]) > datetime.now(UTC)
    plan_json["deadline"] = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    write_json(path, plan_json)
    summary = world.night(load=unexpected, part_size=1)
    assert (summary.captioned, summary.left, summary.backlog) == (0, 4, 4)
    assert not world.home.captions.exists()
    assert world.night("n2").captioned == 4


def test_the_next_part_is_read_while_the_model_works(world):
    world.fill(4)
    path = planned(world, part_size=2, readers=1)
    later = Plan.read(path).images(0)[2:]

    class Slow(ColourCaptioner):
        def caption(self, pixels):
            if not self.calls:
                time.sleep(0.5)
                for info in later:
                    (world.home.inbox / info.name).unlink()
            return super().caption(pixels)

    captioner = Slow()
    assert caption_shard(path, 0, lambda pinned: captioner)["captioned"] == 4
    assert captioner.calls == [2, 2]
