from pathlib import Path

import pytest

from pipeline.core.environment import Home
from pipeline.core.errors import SettingsError
from pipeline.core.settings import train_settings
from pipeline.training.run import TrainingRun, paths_of


@pytest.fixture
def run(tmp_path):
    values = {"validation": {"max_image_bytes": 7, "max_megapixels": 2, "min_side": 3}}
    return TrainingRun(train_settings(values), Home(tmp_path, tmp_path / "store", ""))


def test_a_finished_stage_is_an_input_of_later_ones_and_its_output_is_found_again(run):
    output = run.store.run("first", 1, {}, {}, lambda folder: (folder / "file").write_text("kept"))
    after = run.after(output)
    assert after.inputs("first") == {"first": output.digest}
    assert (TrainingRun(run.settings, run.home, after.done).output("first").path / "file").read_text() == "kept"
    assert run.done == {}


def test_what_has_not_run_or_is_gone_has_no_output(run):
    with pytest.raises(KeyError):
        run.output("first")
    with pytest.raises(FileNotFoundError):
        TrainingRun(run.settings, run.home, {"first": "0" * 64}).output("first")


def test_images_are_limited_as_validation_asks(run):
    assert (run.limits.max_bytes, run.limits.max_megapixels, run.limits.min_side) == (7, 2, 3)


PATHS = [
    {"source": {"kind": "coco_json", "images": "PATH", "train_annotations": "/home/in.json"}},
    {"source": {"kind": "coco_json", "images": "/home", "train_annotations": "PATH"}},
    {"source": {"corrections": "PATH"}},
    {"source": {"data_dir": "PATH"}},
    {"validation": {"waivers": "PATH"}},
    {"validation": {"reference": "PATH"}},
    {"encoder": {"weights": "PATH"}},
    {"training": {"start_from": "PATH"}},
]


def with_path(values, path):
    return {
        group: {key: path if each == "PATH" else each for key, each in fields.items()}
        for group, fields in values.items()
    }


@pytest.mark.parametrize("values", PATHS)
def test_a_form_names_no_path_outside_the_roots(values, tmp_path):
    home = Home(Path("/home"), Path("/home/store"), "", roots=("/data", "s3://pictures"))
    for path in ("/home/x", "/data/x", "/data"):
        TrainingRun(train_settings(with_path(values, path)), home).require_inside_roots()
    (tmp_path / "link").symlink_to("/etc")
    for path in (
        "/etc/passwd",
        "/data/../etc/passwd",
        "/database/x",
        str(tmp_path / "link" / "passwd"),
        "s3://others/x",
    ):
        outside = TrainingRun(train_settings(with_path(values, path)), home)
        with pytest.raises(SettingsError, match="NIGHTCAP_ROOTS"):
            outside.require_inside_roots()
        outside.require_inside_roots(trusted=paths_of(outside.settings))  # of the installation's own file


def test_words_and_versions_are_no_paths():
    values = {"training": {"start_from": "models:/captioner@champion"}, "source": {"corrections": "none"}}
    assert paths_of(train_settings(values)) == []
