import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from pipeline.core.errors import SettingsError
from pipeline.core.settings import train_settings
from pipeline.core.settings.config_file import TRAIN_CONFIG, training_config
from pipeline.core.settings.form import training_fields, training_values


def test_the_usual_settings_fill_the_form(tmp_path):
    file = tmp_path / "usual.yaml"
    values = {"preset": "flickr8k", "source": {"images": "/images", "train_annotations": "/train.json"}}
    values["training"] = {"start_from": "models:/captioner@champion", "clip_norm": None}
    values["encoder"] = {"side": None}
    file.write_text(yaml.safe_dump(values))
    assert training_config({TRAIN_CONFIG.name: str(file)}) == values
    form = {field.name: field.default for field in training_fields(values)}
    assert training_values(form) == values
    assert train_settings(training_values(form)) == train_settings(values)
    assert training_config({}) == {}
    assert {field.default for field in training_fields()} == {"scenes", None}


@pytest.mark.parametrize("text", ["training: {epoch: 3}", "- 1", "a: [", None])
def test_usual_settings_that_are_wrong_are_refused(tmp_path, text):
    file = tmp_path / "usual.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SettingsError, match=str(file)):
        training_config({TRAIN_CONFIG.name: str(file)})


def test_paths_in_the_usual_settings_are_relative_to_their_file(tmp_path):
    file = tmp_path / "usual.yaml"
    file.write_text("source: {images: images, train_annotations: /train.json}\nencoder: {weights: imagenet}")
    source = training_config({TRAIN_CONFIG.name: str(file)})["source"]
    assert source == {"images": str(tmp_path / "images"), "train_annotations": "/train.json"}


PROMOTED = {"NIGHTCAP_PROMOTED_ONLY": "true"}
NOBODY = 65534


def settings_in(folder):
    file = folder / "usual.yaml"
    file.write_text("training: {epochs: 3}")
    return file


def test_settings_that_a_task_may_change_are_refused_where_only_promoted_versions_caption(tmp_path, caplog):
    file = settings_in(tmp_path)
    given = {TRAIN_CONFIG.name: str(file)}
    assert training_config(given) == {"training": {"epochs": 3}}
    told = f"NIGHTCAP_TRAIN_CONFIG names {file}, and a task may change {file}"
    assert [record.message for record in caplog.records] == [
        f"{told}; before others have accounts, put settings files where only another account may write, "
        "or mount their folder read-only"
    ]
    with pytest.raises(SettingsError, match=f"^{told}, so who runs nights could .*; put settings files where only"):
        training_config(given | PROMOTED)


@contextmanager
def as_nobody():
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def folder_of_root():
    if os.geteuid():
        pytest.skip("needs root, to make a file that another user may not write")
    folder = Path(tempfile.mkdtemp())  # pytest's own folders let nobody else in
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_settings_that_another_account_keeps_are_taken(folder_of_root, caplog):
    file = settings_in(folder_of_root)
    with as_nobody():
        assert training_config({TRAIN_CONFIG.name: str(file), **PROMOTED}) == {"training": {"epochs": 3}}
    assert caplog.records == []


@pytest.mark.parametrize("changeable", ["file", "folder", "folder above", "link", "own file"])
def test_every_way_to_change_settings_counts(folder_of_root, changeable):
    (folder_of_root / "in").mkdir()
    file = settings_in(folder_of_root / "in")
    named, place = file, file
    if changeable == "link":
        place = folder_of_root / "open"
        place.mkdir()
        named = place / "usual.yaml"
        named.symlink_to(file)
    elif "folder" in changeable:
        place = file.parent if changeable == "folder" else folder_of_root
    if changeable == "own file":
        os.chown(file, NOBODY, NOBODY)
        file.chmod(0o444)
    else:
        place.chmod(0o777)
    with as_nobody(), pytest.raises(SettingsError, match=f"a task may change {place},"):
        training_config({TRAIN_CONFIG.name: str(named), **PROMOTED})
