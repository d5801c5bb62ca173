import pytest

from pipeline.core.environment import Home
from pipeline.core.settings import train_settings
from pipeline.training.run import TrainingRun


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
