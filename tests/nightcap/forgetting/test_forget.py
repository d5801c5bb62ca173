"""`nightcap forget` leaves no byte of an image's name or caption."""

import shutil
from pathlib import Path

import pandas as pd

from pipeline.storage.files import sha256
from pipeline.storage.forgotten import Forgotten
from pipeline.storage.tables import CaptionTable
from pipeline.training.features import FeatureStore
from tests.nightcap.forgetting.forgetting import NAME, forget, traces
from tests.serving.night_world import unexpected


def test_no_byte_stays(home):
    world, secret, begun = home
    assert len(list(traces(world.home.root))) > 15
    kept = {row["image"]: row["caption"] for row in world.rows(current=True) if row["image"] != secret}
    forget(world, secret)
    assert list(traces(world.home.root)) == []
    assert {row["image"]: row["caption"] for row in world.rows(current=True)} == kept
    assert not Path(begun).exists()


def test_what_is_not_forgotten_stays(home):
    world, secret, _ = home
    forget(world, secret)
    for night, images in (("n1", 3), ("n2", 1)):
        page = (world.folder(night) / "gallery" / "index.html").read_text()
        assert page.count("<img") == images
        assert len((world.home.root / "out" / f"captions-{night}.jsonl").read_text().splitlines()) == images
    assert (world.home.root / "out" / "000.jpg.txt").exists()
    features = FeatureStore(world.home.store / "features" / "scenes-1")
    assert (features.gather([sha256(b"other")]) == 9).all()
    pages = sorted(path.name for path in world.home.store.glob("stages/evaluate/*/samples/*"))
    assert pages == ["other.jpg.html"] * 2
    for table in world.home.store.glob("stages/*/*/*.parquet"):
        assert pd.read_parquet(table)["image"].tolist() == ["other.jpg"]
    assert (world.home.inbox / NAME).exists()
    assert (world.home.root / "logs" / "night.log").read_text() == "before\nafter\n"


def test_it_is_not_captioned_again(home):
    world, secret, _ = home
    forget(world, secret)
    assert secret in Forgotten.of(world.home.store)
    counts = world.night("n4", load=unexpected).counts
    assert (counts.planned, counts.unchanged) == (0, 5)


def test_outputs_outlast_their_nights(home):
    """The nights' own files are gone, as `nightcap gc` removes them in time."""
    world, secret, _ = home
    shutil.rmtree(world.home.store / "nights")
    forget(world, secret)
    assert list(traces(world.home.root)) == []
    for night, images in (("n1", 3), ("n2", 1)):
        assert len((world.home.root / "out" / f"captions-{night}.jsonl").read_text().splitlines()) == images


def test_what_somebody_else_wrote_into_a_text_file_is_theirs(home):
    world, secret, _ = home
    mine = world.home.root / "out" / f"{NAME}.txt"
    mine.write_text("my own words\n")
    forget(world, secret)
    assert mine.read_text() == "my own words\n"


def test_images_nobody_knows(home):
    world, _, _ = home
    before = len(world.rows())
    forget(world, "/nowhere/x.jpg", "s3://bucket/y.jpg", code=3)
    assert len(world.rows()) == before
    assert "s3://bucket/y.jpg" in Forgotten.of(world.home.store)
    assert CaptionTable(world.home.captions).version() == 3


def test_forgetting_twice(home):
    world, secret, _ = home
    forget(world, secret)
    forget(world, secret)
    assert list(traces(world.home.root)) == []
