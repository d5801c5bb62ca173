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
from datetime import timedelta
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from nightcap.commands.night import show_summary
from pipeline.storage.files import read_json, sha256
from pipeline.storage.tables import CaptionTable
from serving.planning.plan import plan
from serving.publish import publish
from serving.runs.plan_file import Plan
from tests.serving.night_world import PINNED, image, settings_of, unexpected


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
    future = (world.now + timedelta(hours=20)).timestamp()
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


@pytest.mark.parametrize("written", [False, True])
def test_the_next_night_reports_what_died_after_it_was_published(world, tmp_path, caplog, written):
    """It was named by its moment, so nobody resumes it: killed after `published.json`, or before."""
    asked = {"output": str(tmp_path / "out"), "write_csv": True, "write_sidecars": True}
    world.fill(2)
    made = Plan.read(world.captioned("dead", **asked))
    publish(made.path)
    if not written:
        made.published_file.unlink()
    world.fill(1, start=2)
    waiting = world.captioned("waits", max_images=1)
    assert world.night("n2").counts.unchanged == 2
    assert "dead, run r1 was published and not reported" in caplog.text
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "000.jpg.txt",
        "001.jpg.txt",
        "captions-dead.csv",
        "captions-dead.jsonl",
    ]
    assert read_json(made.folder / "summary.json")["captioned"] == 2
    assert not Plan.read(waiting).published_file.exists()
    assert (world.home.store / "nights/latest").resolve() == world.folder("n2")


def test_a_night_that_cannot_be_reported_stops_no_other(world, tmp_path, caplog):
    world.fill(1)
    publish(world.captioned("dead", output=str(tmp_path / "out")))
    (tmp_path / "out").write_text("no folder")
    world.fill(1, start=2)
    assert world.night("n2").captioned == 1
    assert "dead, run r1 has no report and perhaps no outputs: cannot write" in caplog.text
