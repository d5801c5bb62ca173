"""Scenarios 16, 17 and 18: malformed and odd images, pixel bombs, a flipped byte; and a fuzzer."""

import json
import os
import random
import re
import struct
import subprocess
import sys
import time
import zlib
from dataclasses import replace
from functools import cache
from pathlib import Path

import psutil
import pytest
from PIL import Image

from benchmarks.fuzz import MOST_SECONDS, Outcome, timed
from benchmarks.odd_images import KINDS, chunk, encoded, photograph, png, profile, valid
from pipeline.core.errors import BadImage, SourceChanged
from pipeline.core.reasons import DECODER_TIMEOUT, NIGHT_REASONS
from pipeline.core.settings import SourceSettings
from pipeline.data.snapshot import Snapshot, read_images, take_snapshot
from pipeline.data.sources.coco import CocoJsonSource
from pipeline.imaging import decode as images
from pipeline.imaging.decode import ImageLimits
from pipeline.imaging.sandbox import Decoders, Work
from pipeline.storage.stage_outputs import Store
from serving.caption_shard import caption_shard
from serving.planning.plan import plan
from tests.serving.night_world import PINNED, image, settings_of

CHECKOUT = Path(__file__).parents[2]
SUFFIX = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "AVIF": ".avif",
    "GIF": ".gif",
    "BMP": ".bmp",
    "TIFF": ".tif",
    "HEIF": ".heic",
}


def disguised():
    """Sound images under another format's name, or with rubbish after their end."""
    for kind in KINDS:
        data = encoded(photograph(), kind)
        yield f"disguised-{kind}{SUFFIX['PNG' if kind == 'JPEG' else 'JPEG']}", data
        yield f"named-nothing-{kind}", data
        yield f"rubbish-behind{SUFFIX[kind]}", data + random.Random(1).randbytes(3000)


def not_images():
    """What people and programs leave under an image's name."""
    archive = b"PK\x03\x04" + bytes(60)
    for name, data in {
        "empty": b"",
        "one-byte": b"\xff",
        "zeros": bytes(5000),
        "ones": b"\xff" * 5000,
        "noise": random.Random(2).randbytes(5000),
        "html": b"<!DOCTYPE html><html><body>404</body></html>",
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        "xml": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',
        "json": b'{"error": "not found"}',
        "text": b"a photograph of a dog\n" * 40,
        "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) show\n",
        "zip": archive,
        "program": b"\x7fELF\x02\x01\x01" + bytes(100),
        "script": b"#!/bin/sh\nrm -rf /\n",
        "movie": b"\0\0\0\x18ftypmp42" + bytes(100),
        "film": b"\0\0\0\x18ftyphevc" + bytes(100),
        "signature-heic": b"\0\0\0\x18ftypheic" + bytes(100),
        "ico": encoded(photograph(), "ICO"),
        "ppm": encoded(photograph(), "PPM"),
        "tga": encoded(photograph(), "TGA"),
        "jpeg2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(60),
        "photoshop": b"8BPS" + bytes(60),
        "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n",
        "signature-jpeg": b"\xff\xd8\xff",
        "signature-png": b"\x89PNG\r\n\x1a\n",
        "signature-webp": b"RIFF\x10\0\0\0WEBP",
        "signature-gif": b"GIF89a",
        "signature-bmp": b"BM",
        "signature-tiff": b"II*\0",
        "signature-avif": b"\0\0\0\x18ftypavif",
    }.items():
        yield f"no-{name}.jpg", data


def damaged():
    """Images that were sound once; some still can be read."""
    png_of = encoded(photograph(), "PNG")
    for kind in KINDS:
        data, suffix = encoded(photograph(), kind), SUFFIX[kind]
        for tenth in range(1, 10):
            yield f"cut{tenth}{suffix}", data[: len(data) * tenth // 10]
        yield f"hole{suffix}", data[: len(data) // 2] + bytes(64) + data[len(data) // 2 + 64 :]
        yield f"rubbish-before{suffix}", b"\r\n" + data
        yield f"twice-the-head{suffix}", data[:40] + data
        yield f"no-head{suffix}", data[16:]
        yield f"text-mode{suffix}", data.replace(b"\n", b"\r\n")
        yield f"utf8{suffix}", data.decode("latin-1").encode()
    for name, size in {"no-width": (0, 9), "no-height": (9, 0), "negative": (2**31, 2**31), "line": (40, 1)}.items():
        yield f"{name}.png", png(*size, body=zlib.compress(bytes(99)))
    yield "short-body.png", png(40, 40, body=zlib.compress(bytes(99)))
    yield "odd-bits.png", png(40, 40, bits=5)
    yield "bad-sum.png", png_of[:29] + b"\0\0\0\0" + png_of[33:]
    yield "text-bomb.png", png_of[:33] + chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(80_000_000), 9)) + png_of[33:]
    yield "profile-bomb.png", png_of[:33] + chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(80_000_000), 9)) + png_of[33:]
    yield "endless.gif", encoded(photograph(), "GIF")[:-1] + b",\0\0\0\0\x01\0\x01\0\0\x02" + b"\xff" * 3000
    yield "outgrown.gif", outgrown_gif()
    yield "loop.tif", tiff_of(8, b"\x08\0\0\0")


def tiff_of(at, following):
    """A TIFF whose first directory is followed by one at an odd place."""
    entries = struct.pack("<HHII", 256, 4, 1, 40) + struct.pack("<HHII", 257, 4, 1, 40)
    return b"II*\0" + struct.pack("<I", at) + struct.pack("<H", 2) + entries + following


def outgrown_gif():
    """A GIF whose frame is far larger than its header says."""
    data = bytearray(encoded(photograph(), "GIF"))
    frame = data.index(b",", 13 + 3 * 256)
    data[frame + 5 : frame + 9] = struct.pack("<HH", 65_000, 65_000)
    return bytes(data)


def test_16_malformed_and_odd_images(world):
    sound = valid() | dict(disguised())
    other = dict(not_images()) | dict(damaged()) | {f"bomb-{name}": data for name, data in bombs().items()}
    assert len(sound | other) >= 200
    for name, data in (sound | other).items():
        world.put(name, data)
    path = plan(settings_of(part_size=2000), world.home, PINNED, world.attempt())["plan"]
    process = psutil.Process()
    before, began = process.memory_info().rss, time.monotonic()
    counts = caption_shard(path, 0, world.load)
    assert time.monotonic() - began < 120
    assert process.memory_info().rss - before < 300e6
    assert counts["captioned"] + counts["quarantined"] == len(sound | other)
    assert set(counts["reasons"]) <= set(NIGHT_REASONS)
    assert not {"decoder_crashed", "decoder_timeout"} & set(counts["reasons"])
    world.night(part_size=2000, accept_quarantine=True)
    rows = {Path(row["image"]).name: row for row in world.rows()}
    assert {name: rows[name]["reason"] for name in sound if rows[name]["status"] != "captioned"} == {}
    assert {name for name, _ in not_images() if rows[name]["status"] != "quarantined"} == set()
    assert {name: rows[f"bomb-{name}"]["reason"] for name in bombs()} == dict.fromkeys(bombs(), "too_many_pixels")
    assert all(rows[name]["caption"] for name in sound)


def test_16_none_of_them_takes_five_seconds():
    images = valid() | dict(disguised()) | dict(not_images()) | dict(damaged())
    with Decoders(Work(ImageLimits(), 64, "squash"), 2) as decoders:
        seconds = {name: timed(decoders, data)[1] for name, data in images.items() if data}
    assert {name: took for name, took in seconds.items() if took >= MOST_SECONDS} == {}


def resized(kind, mark, skip, layout, side, **options):
    """A small image whose header says that it is huge."""
    data = bytearray(encoded(Image.new("RGB", (16, 16)), kind, **options))
    at = data.index(mark) + skip
    new = struct.pack(layout, *([side] * layout.count("H") or [side] * 2))
    data[at : at + len(new)] = new
    return bytes(data)


def tiff_bomb():
    data = encoded(Image.new("RGB", (16, 16)), "TIFF")
    for tag in (256, 257):
        entry = struct.pack("<HHI", tag, 4, 1)
        data = data.replace(entry + struct.pack("<I", 16), entry + struct.pack("<I", 100_000))
    return data


def heic_bomb():
    """Of a size that its encoder need not pad."""
    data = encoded(Image.new("RGB", (64, 64)), "HEIF")
    for at in (found.end() for found in re.finditer(b"ispe", data)):
        data = data[: at + 4] + struct.pack(">II", 16_000, 16_000) + data[at + 12 :]
    return data


@cache
def bombs():
    return {
        "real.png": png(20_000, 20_000, bits=1, colour=0),
        "colour.png": png(30_000, 30_000, body=b""),
        "barely.png": png(7_100, 7_100, body=b""),
        "huge.jpg": resized("JPEG", b"\xff\xc0", 5, ">HH", 65_500),
        "huge.gif": resized("GIF", b"GIF8", 6, "<HH", 65_535),
        "huge.bmp": resized("BMP", b"BM", 18, "<ii", 60_000),
        "huge.webp": resized("WEBP", b"VP8 ", 14, "<HH", 16_383),
        "huge.avif": resized("AVIF", b"ispe", 8, ">II", 16_000),
        "huge.heic": heic_bomb(),
        "huge.tif": tiff_bomb(),
    }


@pytest.mark.parametrize("name", bombs())
def test_17_pixel_bombs(name):
    data = bombs()[name]
    with pytest.raises(BadImage):  # Pillow's plugins are loaded once
        images.open_image(data, ImageLimits())
    process = psutil.Process()
    before, began = process.memory_info(), time.process_time()
    with pytest.raises(BadImage) as caught:
        images.open_image(data, ImageLimits())
    after = process.memory_info()
    assert time.process_time() - began < 0.05
    assert caught.value.reason == "too_many_pixels"
    assert max(after.rss - before.rss, after.vms - before.vms) < 100 * 2**20


@pytest.mark.parametrize("kind", KINDS)
def test_18_one_flipped_byte_where_the_digest_is_known(tmp_path, kind):
    """A training knows digests: size and time may stay as they were."""
    (tmp_path / "photos").mkdir()
    file = tmp_path / "photos" / f"photo{SUFFIX[kind]}"
    file.write_bytes(encoded(photograph(), kind, icc_profile=profile()))
    listed = {"images": [{"id": 1, "file_name": file.name}]}
    listed["annotations"] = [{"id": n, "image_id": 1, "caption": "a dog"} for n in range(3)]
    (tmp_path / "captions.json").write_text(json.dumps(listed))
    settings = SourceSettings(
        kind="coco_json",
        images=str(tmp_path / "photos"),
        train_annotations=tmp_path / "captions.json",
        val_cut=1e-9,  # whatever its digest, it is there to train on
        test_cut=1e-9,
    )
    source = CocoJsonSource(settings)
    known = Snapshot.load(take_snapshot(settings, source, Store(tmp_path / "store")).path).images
    assert len(list(read_images(source, known))) == 1
    status, data = file.stat(), bytearray(file.read_bytes())
    for at in (10, len(data) // 2, len(data) - 1):
        spoiled = bytearray(data)
        spoiled[at] ^= 1
        file.write_bytes(spoiled)
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
        with pytest.raises(SourceChanged, match="SHA-256"):
            list(read_images(source, known))


def test_18_an_image_that_changes_after_the_night_is_planned(world):
    path = Path(world.put("photo.jpg", image("red")))
    planned = plan(settings_of(), world.home, PINNED, world.attempt())["plan"]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert caption_shard(planned, 0, world.load)["reasons"] == {"source_changed": 1}


@pytest.mark.parametrize(
    "harm", [{"slowest_s": 5.0}, {"lost": 1}, {"memory_mb": 1000}, {"reasons": {DECODER_TIMEOUT: 1}}]
)
def test_what_the_fuzzer_finds_bad(harm):
    good = Outcome(images=20, decoded=9, reasons={"empty": 11}, whole=1, lost=0, slowest_s=4.9, memory_mb=999)
    assert good.is_good
    assert not replace(good, **harm).is_good


def test_two_thousand_spoiled_images():
    """In a process of its own: a child's peak begins with its parent's memory."""
    command = [sys.executable, "-m", "benchmarks.fuzz", "--count", "2000", "--seed", "7", "--processes", "2"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    outcome = json.loads(done.stdout)
    assert set(outcome["reasons"]) <= set(NIGHT_REASONS)
    assert outcome["whole"] == 100
    assert 300 < outcome["decoded"] < 1700, "the fuzzer neither spoils everything nor nothing"
