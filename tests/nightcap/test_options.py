"""Options made from settings, `--config` and `--set`."""

import json
from pathlib import Path

import pytest
import typer
from pydantic import Field
from typer.testing import CliRunner

from nightcap.options import given, night_settings_from, setting_options, settings_from, values_from
from pipeline.core.environment import Home
from pipeline.core.errors import SettingsError
from pipeline.core.settings import Group
from pipeline.core.settings.base import Address


def config(folder, text):
    path = folder / "settings.yaml"
    path.write_text(text)
    return path


def test_paths_in_a_file_are_relative_to_it(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    text = "source: {kind: coco_json, images: photos, train_annotations: a/b.json}\nencoder: {weights: net.h5}\n"
    config(tmp_path, text)
    settings = settings_from(Path("../settings.yaml"), [])
    here = tmp_path / "elsewhere" / ".."
    assert (settings.source.images, settings.source.train_annotations) == (str(here / "photos"), here / "a/b.json")
    assert settings.encoder.weights == str(here / "net.h5")


def test_paths_on_the_command_line_are_relative_to_where_it_is_typed(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    given = ["source.images=photos", "source.train_annotations=/abs.json", "source.kind=coco_json"]
    settings = settings_from(config(tmp_path, "source: {images: other}"), given)
    assert settings.source.images == str(tmp_path / "work" / "photos")
    assert settings.source.train_annotations == Path("/abs.json")


def test_imagenet_is_no_path_and_the_home_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    values = values_from(config(tmp_path, "encoder: {weights: imagenet}"), ["source.data_dir=~/tfds"])
    assert values == {"encoder": {"weights": "imagenet"}, "source": {"data_dir": "/home/me/tfds"}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("1e-3", "1e-3"),  # YAML 1.1; settings make it a number
        ("0.5", 0.5),
        ("null", None),
        ("", None),
        ("true", True),
        ("[1, two]", [1, "two"]),
        ("a=b=c", "a=b=c"),
        ("'007'", "007"),
        ("two words", "two words"),
        ("23:30", "23:30"),
        ("2026-03-01", "2026-03-01"),
    ],
)
def test_a_value_is_yaml(text, value):
    assert values_from(None, [f"group.name={text}"]) == {"group": {"name": value}}


def test_numbers_arrive_as_numbers_and_null_clears():
    settings = settings_from(None, ["training.learning_rate=1e-3", "source.max_images=12", "source.max_images=null"])
    assert settings.training.learning_rate == 1e-3
    assert settings.source.max_images is None


def test_the_command_line_wins_over_the_file_which_wins_over_the_preset(tmp_path):
    file = config(tmp_path, "preset: tutorial\ntraining: {epochs: 9, seed: 5}\n")
    settings = settings_from(file, ["training.epochs=2"])
    assert settings.encoder.name == "inception_resnet_v2"  # the tutorial's
    assert (settings.training.epochs, settings.training.seed) == (2, 5)


def test_a_preset_on_the_command_line_replaces_that_of_the_file_and_keeps_its_values(tmp_path):
    file = config(tmp_path, "preset: tutorial\ntraining: {seed: 5}\n")
    settings = settings_from(file, ["preset=scenes"])
    assert settings.encoder.name == "scenes"
    assert settings.training.seed == 5


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("training.epochs", ("training.epochs", "key=value")),
        ("epochs=3", ("'epochs'", "group.field")),
        ("=3", ("group.field",)),
        ("training.epochs=[1", ("training.epochs=[1", "YAML")),
        ("training.epochs=0", ("training.epochs", "given 0")),
        ("training.epochs=many", ("training.epochs", "many")),
        ("training.epoch=3", ("training.epoch", "epochs")),
        ("trainings.epochs=3", ("trainings", "training")),
        ("preset=photos", ("photos", "scenes", "tutorial")),
        ("encoder.name=vgg", ("vgg", "mobilenet")),
        ("source.kind=coco_json", ("source.images", "source.train_annotations")),
    ],
)
def test_a_wrong_setting_is_one_line_before_anything_is_imported(run, given, words):
    assert run("train", "--set", given).refused(2, *words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- a list", ("list",)),
        ("training: 3", ("training", "3")),
        ("training: {epochs: [", ("settings.yaml", "line 1")),
        ("preset: 5", ("5", "known presets")),
        ("training: {epochs: 3\n", ("settings.yaml",)),
    ],
)
def test_a_wrong_file_is_one_line(run, tmp_path, text, words):
    assert run("train", "--config", config(tmp_path, text)).refused(2, *words)


def test_a_missing_file_is_one_line(run, tmp_path):
    assert run("train", "--config", tmp_path / "none.yaml").refused(2, "none.yaml", "No such file")


def test_a_night_s_options_win_over_assignments_and_these_over_the_file(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    text = "{output: out, min_side: 4, alternatives: 3, write_csv: true, max_images: 9, model: models:/other/2}"
    options = {"alternatives": 0, "model": None, "write_csv": False, "write_sidecars": True}
    given = ["min_side=5", "max_images=null", "stop_at=23:30", "manifest=list.csv"]
    home = Home(tmp_path, tmp_path / "store", "")
    settings = night_settings_from(config(tmp_path, text), given, options, home)
    assert (settings.min_side, settings.max_images, settings.stop_at) == (5, None, "23:30")
    assert (settings.alternatives, settings.model) == (0, "models:/other/2")
    assert (settings.write_csv, settings.write_sidecars) == (True, True)
    assert settings.output == str(tmp_path / "out")
    assert settings.manifest == str(tmp_path / "work" / "list.csv")


@pytest.mark.parametrize("command", [("night",), ("replay", "--reason", "too_small")])
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("stop_at", ("stop_at", "key=value", "stop_at=05:30")),
        ("stop=05:30", ("unknown setting stop", "stop_at")),
        ("min_side=0", ("min_side", "given 0")),
        ("layout=[1", ("layout=[1", "YAML")),
    ],
)
def test_a_wrong_night_setting_is_one_line(run, command, given, words):
    assert run(*command, "--set", given).refused(2, *words)


@pytest.mark.parametrize("command", [("night",), ("replay", "--reason", "too_small")])
def test_a_missing_file_of_night_settings_is_one_line(run, tmp_path, command):
    assert run(*command, "--config", tmp_path / "none.yaml").refused(2, "none.yaml", "No such file")


def test_an_assignment_needs_a_group_that_is_one(tmp_path):
    with pytest.raises(SettingsError, match="training"):
        values_from(config(tmp_path, "training: 3"), ["training.epochs=3"])


class Meal(Group):
    table: Address | None = Field(None, description="A table, a local path under a root; empty for the kitchen's.")
    replay_guests: tuple[str, ...] | None = Field(None, description="Guests, a line each.")
    write_bill: bool = Field(False, description="A bill, too.")
    courses: int = Field(3, ge=1, le=9, description="Courses; at most nine.")
    hours: float = Field(2.0, ge=0, description="Hours.")


@pytest.fixture
def serve():
    """Runs a command whose options are settings; returns its exit code, and what it received or printed."""
    app = typer.Typer()

    @app.command()
    @setting_options(Meal, "table", "write_bill", "courses", "hours", replay_guests="One guest; may be repeated.")
    def command(name: str = "dinner", **options):
        typer.echo(json.dumps([name, options]))

    def serve(*arguments):
        done = CliRunner().invoke(app, arguments, env={"COLUMNS": "200", "TERM": "dumb"})
        return done.exit_code, done.output

    return serve


def test_options_that_are_not_given_leave_the_settings_alone(serve):
    code, out = serve()
    name, options = json.loads(out)
    assert (code, name, given(options)) == (0, "dinner", {})
    assert set(options) == set(Meal.model_fields)


def test_an_option_has_the_type_of_its_setting(serve):
    arguments = ["--table", "t", "--guest", "ann", "--guest", "bo", "--bill", "--courses", "1", "--hours", "0"]
    _, options = json.loads(serve(*arguments, "--name", "lunch")[1])
    expected = {"table": "t", "replay_guests": ["ann", "bo"], "write_bill": True, "courses": 1, "hours": 0.0}
    assert given(options) == expected
    assert Meal(**expected).replay_guests == ("ann", "bo")


@pytest.mark.parametrize("arguments", [("--courses", "0"), ("--courses", "10"), ("--hours", "-1"), ("--no-bill",)])
def test_an_option_has_the_bounds_of_its_setting(serve, arguments):
    assert serve(*arguments)[0] == 2


def test_the_help_is_the_setting_s_without_what_only_a_form_needs(serve):
    out = serve("--help")[1]
    for text in ("A table; default the kitchen's.", "Courses; at most nine; default 3.", "Hours; default 2."):
        assert text in out
    assert "One guest; may be repeated." in out
    assert "a line each" not in out
