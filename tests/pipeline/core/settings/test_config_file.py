import os
import shlex
import shutil
import subprocess
import sys
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
        f"{told}; before others have accounts, keep settings files, and every folder and link that leads to them, where "
        "only another account may write, or mount their folder read-only in a folder that no task may rename"
    ]
    with pytest.raises(
        SettingsError, match=f"^{told}, so who runs nights could .*; keep settings files, and every folder"
    ):
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


def test_every_link_of_a_chain_counts(folder_of_root):
    for name in ("kept", "open", "other"):
        (folder_of_root / name).mkdir()
    file = settings_in(folder_of_root / "kept")
    (folder_of_root / "open" / "second").symlink_to(file)
    first = folder_of_root / "other" / "first"
    first.symlink_to(Path("..", "open", "second"))
    given = {TRAIN_CONFIG.name: str(first), **PROMOTED}
    with as_nobody():
        assert training_config(given) == {"training": {"epochs": 3}}
    (folder_of_root / "open").chmod(0o777)
    with as_nobody(), pytest.raises(SettingsError, match=f"a task may change {folder_of_root / 'open'},"):
        training_config(given)


@pytest.mark.parametrize("own", [False, True])
def test_in_a_shared_folder_with_the_sticky_bit_only_what_is_ones_own_counts(folder_of_root, own):
    shared = folder_of_root / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (folder_of_root / "kept").mkdir()
    link = shared / "usual.yaml"
    link.symlink_to(settings_in(folder_of_root / "kept"))
    if own:
        os.lchown(link, NOBODY, NOBODY)
    given = {TRAIN_CONFIG.name: str(link), **PROMOTED}
    with as_nobody():
        if own:
            with pytest.raises(SettingsError, match=f"a task may change {shared},"):
                training_config(given)
        else:
            assert training_config(given)


MOUNTED = """
import os, sys
from pathlib import Path
folder, outer = map(Path, sys.argv[1:])
from pipeline.core.settings.config_file import training_config
os.seteuid(65534)
print(training_config({"NIGHTCAP_TRAIN_CONFIG": str(folder / "usual.yaml"), "NIGHTCAP_PROMOTED_ONLY": "true"}))
try:
    folder.rename(outer / "moved")
except OSError as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize("read_only", [True, False])
def test_a_read_only_mount_below_ones_own_folder_is_read_only(folder_of_root, read_only):
    """As in a container whose user owns the folder that settings are mounted in."""
    if subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode:
        pytest.skip("needs a mount namespace of its own")
    own, kept = folder_of_root / "own", folder_of_root / "kept"
    for folder in (own, own / "settings", kept):
        folder.mkdir()
        os.chown(folder, NOBODY, NOBODY)
    os.chown(settings_in(kept), NOBODY, NOBODY)
    mode = "ro" if read_only else "rw"
    mount = f"mount --bind {kept} {own / 'settings'} && mount -o remount,bind,{mode} {own / 'settings'}"
    command = [sys.executable, "-c", MOUNTED, str(own / "settings"), str(own)]
    told = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f"{mount} && exec {shlex.join(command)}"],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    if read_only:
        assert told.stdout.splitlines() == ["{'training': {'epochs': 3}}", "OSError"], told.stderr
    else:
        assert f"a task may change {own / 'settings' / 'usual.yaml'}" in told.stderr
