"""Whole nights on real folders and tables."""

import io
import json
import os
import struct
import subprocess
import sys
import time
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from nightcap.commands.night import show_summary
from pipeline.core.errors import BundleRejected, ObjectUnavailable
from pipeline.imaging.decode import ImageLimits
from pipeline.imaging.sandbox import Decoders, Work
from pipeline.storage.files import read_json, sha256, write_json
from pipeline.storage.objects import LocalFolder
from pipeline.storage.tables import CaptionTable
from serving.caption_shard import caption_shard, decode_image
from serving.planning.plan import plan
from serving.runs.plan_file import Plan
from serving.runs.settings import NightSettings
from tests.serving.night_world import PINNED, ColourCaptioner, image, settings_of, unexpected


def test_a_full_night(world):
    paths = world.fill(7)
    summary = world.night(shard_size=3, part_size=2)
    assert (summary.captioned, summary.quarantined, summary.version) == (7, 0, 1)
    assert sum(world.captioner.calls) == 7
    rows = world.rows()
    assert [row["image"] for row in rows] == paths
    for n, row in enumerate(rows):
        data = Path(paths[n]).read_bytes()
        red = Image.open(io.BytesIO(data)).getpixel((0, 0))[0]
        assert row["caption"].startswith(f"an image of {red} ")
        assert row["score"] == pytest.approx(-(red + 1) / 256)
        assert row["sha256"] == sha256(data)
        assert (row["width"], row["height"], row["withdrawn"]) == (40, 30, False)
        assert (row["model_version"], row["engine"], row["night"], row["run"]) == ("3", "numpy-float64", "n1", "r1")
    assert world.rows(current=True) == rows
    assert not (world.folder() / "parts").exists()
    assert json.loads((world.folder() / "summary.json").read_text())["captioned"] == 7


def test_a_second_night_does_nothing(world):
    world.fill(3)
    world.put("broken.jpg", b"<html>")
    world.night()
    summary = world.night("n2", load=unexpected)
    assert (summary.counts.unchanged, summary.counts.planned, summary.captioned) == (4, 0, 0)
    assert CaptionTable(world.home.captions).version() == 1
    assert (world.home.store / "nights/latest").resolve() == world.folder("n1")


def test_who_comes_second_hears_that_the_night_is_published(world, capsys):
    world.fill(2)
    first, second = world.night(), world.night(load=unexpected)
    assert replace(second, already_published=False) == first
    show_summary(first)
    assert "already published" not in capsys.readouterr().err
    show_summary(second)
    assert "2 captioned" in (told := capsys.readouterr().err)
    assert told.endswith("; it was already published\n")


def test_new_and_changed_images_join_the_next_night(world):
    paths = world.fill(3)
    world.night()
    world.put("000.jpg", image("white", (64, 64)))
    world.put("new.png", image("blue", kind="PNG"))
    summary = world.night("n2")
    assert (summary.captioned, summary.counts.unchanged) == (2, 2)
    assert len(world.rows()) == 5
    current = {row["image"]: row for row in world.rows(current=True)}
    assert len(current) == 4
    assert current[paths[0]]["caption"] == "an image of 255 255 255"


def test_the_newest_come_first_within_the_budget(world):
    for age, path in enumerate(world.fill(5)):
        os.utime(path, (1_700_000_000 - age, 1_700_000_000 - age))
    first = world.night(max_images=2)
    assert [row["image"][-7:] for row in world.rows()] == ["000.jpg", "001.jpg"]
    assert (first.backlog, first.backlog_nights) == (3, 2)
    world.night("n2", max_images=2)
    last = world.night("n3", max_images=2)
    assert (last.captioned, last.backlog, len(world.rows())) == (1, 0, 5)


def test_images_after_the_nights_end_wait(world):
    world.fill(2)
    future = (world.now + timedelta(days=1)).timestamp()
    os.utime(world.put("later.jpg", image("red")), (future, future))
    world.put("notes.txt", b"")
    counts = world.night().counts
    assert (counts.listed, counts.later, counts.ignored, counts.planned) == (2, 1, 1, 2)


def png(width, height):
    rows = zlib.compressobj(9)
    body = b"".join(rows.compress(bytes(width // 8 + 1)) for _ in range(height)) + rows.flush()
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)), (b"IDAT", body), (b"IEND", b""))
    packed = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def rotated():
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(Image.new("RGB", (40, 30), (10, 20, 30)), "JPEG", exif=exif)


ODD = {
    "animated.gif": lambda: encoded(
        Image.new("P", (40, 30)), "GIF", save_all=True, append_images=[Image.new("P", (40, 30), 1)]
    ),
    "cmyk.jpg": lambda: encoded(Image.new("CMYK", (40, 30)), "JPEG"),
    "empty.jpg": lambda: b"",
    "huge.png": lambda: png(20_000, 20_000),
    "page.jpg": lambda: b"<html><body>Not found</body></html>",
    "palette.png": lambda: encoded(Image.new("P", (40, 30)), "PNG"),
    "photo.jpg": lambda: image((200, 100, 50)),
    "rotated.jpg": rotated,
    "sixteen.png": lambda: encoded(Image.fromarray(np.full((30, 40), 0x8000, np.uint16)), "PNG"),
    "truncated.jpg": lambda: image("red", (400, 300))[:900],
}
REFUSED = {
    "empty.jpg": "empty",
    "huge.png": "too_many_pixels",
    "page.jpg": "not_an_image",
    "truncated.jpg": "truncated",
}


def test_odd_images_are_captioned_or_quarantined_with_a_reason(world):
    for name, make in ODD.items():
        world.put(name, make())
    process = psutil.Process()
    before, started = process.memory_info().rss, time.perf_counter()
    summary = world.night()
    assert time.perf_counter() - started < 30
    assert process.memory_info().rss - before < 300e6
    rows = {Path(row["image"]).name: row for row in world.rows()}
    assert {name: row["reason"] for name, row in rows.items() if row["status"] == "quarantined"} == REFUSED
    assert summary.reasons == dict.fromkeys(REFUSED.values(), 1)
    assert all(row["caption"] for name, row in rows.items() if name not in REFUSED)
    assert (rows["rotated.jpg"]["width"], rows["rotated.jpg"]["height"]) == (30, 40)
    assert rows["sixteen.png"]["caption"] == "an image of 128 128 128"
    assert rows["page.jpg"]["sha256"] == sha256(ODD["page.jpg"]())
    assert {row["image"] for row in world.rows(current=True)} == {
        row["image"] for name, row in rows.items() if name not in REFUSED
    }


def planned(world, **settings):
    return plan(settings_of(**settings), world.home, PINNED, world.attempt())["plan"]


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


def test_a_plan_tells_what_it_decided(world):
    world.fill(5)
    made = Plan.read(planned(world, shard_size=2))
    assert made.shards == (2, 2, 1)
    assert made.model == PINNED
    assert made.settings == settings_of(shard_size=2)
    assert made.input == str(world.home.inbox)
    assert sum(len(made.images(shard)) for shard in range(3)) == 5


def test_serving_imports_no_heavy_library():
    code = (
        "import sys, serving.night\n"
        "print(sorted({'tensorflow', 'keras', 'mlflow', 'airflow', 'great_expectations'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
