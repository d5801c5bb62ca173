import errno
import os
import threading

import numpy as np
import pandas as pd
import pytest

from pipeline.core.environment import Home
from pipeline.core.reasons import MISSING
from pipeline.core.settings import ValidationSettings
from pipeline.data.snapshot import Snapshot, in_held_out_share, take_snapshot
from pipeline.data.sources.corrections import CorrectedImages
from pipeline.data.sources.factory import open_source
from pipeline.data.validation.stage import validate
from pipeline.storage.stage_outputs import Store
from pipeline.storage.tables.corrections import CORRECTED, CorrectionTable
from tests.pipeline.storage.tables.correction_rows import correction


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path, tmp_path / "store", "")


@pytest.fixture
def table(home):
    return CorrectionTable(home.store / "corrections")


@pytest.fixture
def inbox(home, image):
    """Forty images that a night has captioned."""
    home.inbox.mkdir()
    files = [home.inbox / f"{number}.png" for number in range(40)]
    for number, file in enumerate(files):
        file.write_bytes(image(500 + number))
    return files


def collected(new_dataset):
    dataset = new_dataset()
    for split, first in (("train", 0), ("val", 100), ("test", 200)):
        dataset.fill(10, split, first)
    return dataset


def taken(dataset, home, **values):
    settings = dataset.settings(**values)
    return take_snapshot(settings, open_source(settings, home), Store(home.store))


def test_corrected_images_join_the_next_snapshot_and_some_judge(new_dataset, home, table, inbox):
    dataset = collected(new_dataset)
    before = taken(dataset, home)
    table.append([correction(file, f"a person sees {file.stem}") for file in inbox[:-1]])
    table.append([correction(inbox[0], "another person does", who="bob")])
    after = taken(dataset, home)
    assert after.digest != before.digest
    snapshot = Snapshot.load(after.path)
    corrected = snapshot.images[snapshot.images["image"].str.startswith(CORRECTED)]
    assert list(corrected["image"]) == sorted(f"{CORRECTED}{file}" for file in inbox[:-1])
    splits = corrected["split"].value_counts()
    assert set(splits.index) == {"train", "val", "test"}
    assert splits["train"] > 20
    texts = snapshot.captions[snapshot.captions["image"] == f"{CORRECTED}{inbox[0]}"]["caption"]
    assert set(texts) == {"a person sees 0", "another person does"}
    others = snapshot.images[~snapshot.images["image"].isin(corrected["image"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(others, Snapshot.load(before.path).images)
    table.append([correction(inbox[-1])])
    later = Snapshot.load(taken(dataset, home).path).images.set_index("image")["split"]
    assert (later[corrected["image"]] == corrected.set_index("image")["split"]).all()


def test_without_corrections_snapshots_keep_their_digests(new_dataset, home, table, inbox):
    dataset = collected(new_dataset)
    before = taken(dataset, home)
    table.append([correction(inbox[0])])
    assert taken(dataset, home, corrections="none") == before
    table.forget({str(inbox[0])})
    assert taken(dataset, home) == before


def test_a_corrected_image_that_changes_is_another_snapshot_and_one_that_is_gone_is_missing(
    new_dataset, home, table, inbox, image
):
    dataset = collected(new_dataset)
    table.append([correction(file) for file in inbox])
    first = taken(dataset, home)
    assert taken(dataset, home) == first
    inbox[3].write_bytes(image(900))
    inbox[4].unlink()
    second = Snapshot.load(taken(dataset, home).path).images.set_index("image")["sha256"]
    assert second[f"{CORRECTED}{inbox[4]}"] == ""
    assert (
        second[f"{CORRECTED}{inbox[3]}"]
        != Snapshot.load(first.path).images.set_index("image")["sha256"][f"{CORRECTED}{inbox[3]}"]
    )


@pytest.mark.parametrize("name", [__file__, "gone.png", "s3://no", "link.png", "s3://elsewhere/a.png"])
def test_a_correction_of_no_image_is_quarantined_with_who_gave_it_and_the_way_back(
    new_dataset, home, table, inbox, name, caplog
):
    (home.inbox / "link.png").symlink_to(__file__)
    bad = name if "/" in name else str(home.inbox / name)
    table.append([correction(bad), correction(bad, who="bob"), correction(inbox[0], "a telephone 030 12345678901")])
    dataset = collected(new_dataset)
    snapshot = taken(dataset, home)
    source = open_source(dataset.settings(), home)
    found = validate(ValidationSettings(min_images=3), snapshot, source, Store(home.store))
    rows = pd.read_parquet(found.path / "quarantine.parquet").set_index("image")
    row = rows[rows["kind"] == "image"].loc[f"{CORRECTED}{bad}"]
    assert row["reason"] == MISSING
    assert row["detail"].startswith("a correction by ann and bob: ")
    assert row["detail"].endswith(f"; to take it back: nightcap correct --undo {bad}")
    assert row["detail"] in caplog.text
    assert rows.loc[f"{CORRECTED}{inbox[0]}"].iloc[0]["detail"].startswith("a correction by ann; to take it back")
    table.take_back(lambda each: each.image == bad)
    assert bad not in Snapshot.load(taken(dataset, home).path).images["image"].to_string()


def test_21_a_corrected_image_whose_folder_becomes_a_link_meanwhile_never_leads_out_of_its_root(tmp_path):
    for name in ("root/a/b.png", "outside/b.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(name.encode())
    inner, stop = tmp_path / "root/a", threading.Event()
    (tmp_path / "link").symlink_to(tmp_path / "outside")

    def swap():
        while not stop.is_set():
            inner.rename(tmp_path / "aside")
            (tmp_path / "link").rename(inner)
            inner.rename(tmp_path / "link")
            (tmp_path / "aside").rename(inner)

    thread = threading.Thread(target=swap)
    thread.start()
    images, seen = CorrectedImages([str(tmp_path / "root")]), set()
    try:
        for _ in range(1000):
            seen.add(images.read(str(inner / "b.png")))
    finally:
        stop.set()
        thread.join()
    assert {b"root/a/b.png"} <= seen <= {b"root/a/b.png", None}


@pytest.mark.parametrize("times", [1, 10**6])
@pytest.mark.parametrize("call", ["fault", "read", "stamps"])
def test_a_link_that_becomes_a_folder_while_it_is_followed_costs_its_image_at_most(tmp_path, monkeypatch, call, times):
    (tmp_path / "real").mkdir()
    (tmp_path / "real/b.png").write_bytes(b"bytes")
    (tmp_path / "a").symlink_to(tmp_path / "real")
    images, image, read, left = CorrectedImages([str(tmp_path)]), str(tmp_path / "a/b.png"), os.readlink, [times]

    def changed(*arguments, **options):
        if not left[0]:
            return read(*arguments, **options)
        left[0] -= 1
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "readlink", changed)
    said = getattr(images, call)([image] if call == "stamps" else image)
    if call == "fault":
        assert (said is None) == (times == 1), said
    elif call == "read":
        assert said == (b"bytes" if times == 1 else None)
    else:
        assert (said[str(tmp_path / "a")]["b.png"] is None) == (times > 1)


def test_an_image_in_a_loop_of_links_is_one_that_is_not_there(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    images, image = CorrectedImages([str(tmp_path)]), str(tmp_path / "a/b.png")
    assert image in images.fault(image)
    assert images.read(image) is None


def test_the_split_of_a_corrected_image_is_its_digest_s():
    images = pd.DataFrame({"sha256": ["0" * 64, "8" * 64, "f" * 64, ""]})
    assert list(in_held_out_share(images, 0.2)) == ["test", "train", "val", "train"]
    assert set(in_held_out_share(images, 0)) == {"train"}


def test_numpy_shuffles_repeated_images_as_it_did_single_ones():
    assert (
        np.random.default_rng(3).permutation(50) == np.random.default_rng(3).permutation(np.repeat(np.arange(50), 1))
    ).all()
