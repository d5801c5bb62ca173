"""`nightcap prepare`, and that `nightcap train --config` takes what it makes."""

import json
from pathlib import Path

import pytest

from nightcap.options import settings_from
from pipeline.core.environment import Home
from pipeline.data.sources.factory import open_source

SPLITS = {"train": 30, "val": 5, "test": 5}


@pytest.fixture
def distribution(tmp_path, photo):
    """A folder of images and Karpathy's file of their captions."""
    folder = tmp_path / "Images"
    folder.mkdir()
    names = [(split, f"{split}{number}.jpg") for split, size in SPLITS.items() for number in range(size)]
    for seed, (_, name) in enumerate(names):
        (folder / name).write_bytes(photo(seed))
    sentences = [{"raw": "a wave of colour"}, {"raw": "colours in the rain"}]
    images = [{"filename": name, "split": split, "sentences": sentences} for split, name in names]
    (tmp_path / "dataset_flickr8k.json").write_text(json.dumps({"images": images}))
    return "--images", folder, "--annotations", tmp_path / "dataset_flickr8k.json"


def test_it_prints_a_file_that_train_takes(run, distribution, tmp_path):
    done = run("prepare", "flickr8k", *distribution, "--output", tmp_path / "out")
    config = tmp_path / "out" / "flickr8k.yaml"
    assert (done.code, done.out) == (0, f"{config}\n")
    assert "30 train, 5 val, 5 test images, 0 left out" in done.err
    assert f"nightcap train --config {config}" in done.err
    settings = settings_from(config, [])
    assert (settings.encoder.name, settings.encoder.side) == ("resnet50", 320)  # what our figures are measured with
    photographs = list(open_source(settings.source, Home.from_environment()).captioned_images())
    splits = [photograph.split for photograph in photographs]
    assert splits == ["train"] * 30 + ["test"] * 5  # the public val judges, as in our results
    assert all(photograph.data for photograph in photographs)
    assert settings.source.val_cut == 500


def test_without_an_output_it_goes_into_the_home(run, distribution):
    done = run("prepare", "flickr8k", *distribution)
    assert Path(done.out.strip()) == Home.from_environment().root / "data" / "flickr8k" / "flickr8k.yaml"


def test_a_missing_file_is_one_line(run, distribution, tmp_path):
    wrong = (*distribution[:3], tmp_path / "none.txt")
    assert run("prepare", "flickr8k", *wrong).refused(2, "none.txt", "No such file", "Flickr8k.token.txt")
    assert run("prepare", "flickr8k", "--images", tmp_path).refused(2, "--annotations")
