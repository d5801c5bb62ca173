"""The webhook hears once of every failure of a night or training on the command line, with its remedy."""

import pytest

from nightcap.cli import main
from tests.faults.listening import alerts, listening
from tests.serving.night_world import image

SECRET = "hunter2-canary"


@pytest.fixture
def fails(tmp_path, monkeypatch):
    """Runs a command in a home of its own; what the webhook heard and the lines that a person sees."""
    monkeypatch.setenv("NIGHTCAP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with listening() as server:
        monkeypatch.setenv("NIGHTCAP_WEBHOOK", f"http://127.0.0.1:{server.server_port}/hook/{SECRET}")

        def fails(*arguments):
            server.heard.clear()
            with pytest.raises(SystemExit) as ended:
                main([*map(str, arguments)])
            assert ended.value.code
            return alerts(server)

        yield fails


def heard_once(heard, event, *words):
    (alert,) = heard
    assert alert["event"] == event
    assert not [word for word in words if word not in alert["text"]], alert
    assert SECRET not in str(alert)
    return True


def test_22_11_a_night_that_fails_by_its_settings(fails, tmp_path, monkeypatch):
    (tmp_path / "photographs").mkdir()
    (tmp_path / "photographs/a.jpg").write_bytes(image((1, 2, 3)))
    (tmp_path / "bad.yaml").write_text("{max_imags: 3}")
    night = ("night", "--input", tmp_path / "photographs", "--model", tmp_path / "no-bundle")
    assert heard_once(fails(*night), "night_failed", "no-bundle")
    assert heard_once(fails("night", "--config", tmp_path / "bad.yaml"), "night_failed", "max_imags")
    assert heard_once(fails("night", "--config", tmp_path / "gone.yaml"), "night_failed", "gone.yaml")
    assert heard_once(fails("night", "--set", "shard_size=many"), "night_failed", "shard_size")
    assert heard_once(fails("replay", "--night", "n1", "--table", f"s3://x:{SECRET}@y/z"), "night_failed")
    monkeypatch.setenv("NIGHTCAP_STORE", "relative")
    assert heard_once(fails(*night, "--night", "n7"), "night_failed", "NIGHTCAP_STORE", "set it to an absolute")


def test_22_11_a_mistyped_option_is_told_to_who_mistyped_it(fails, capsys):
    for wrong in (("night", "--max-imags", "3"), ("night", "--max-images", "many"), ("train", "--nope"), ("nigth",)):
        assert fails(*wrong) == []
        assert "nightcap" in capsys.readouterr().err


def test_22_11_a_night_that_crashes(fails, tmp_path):
    (tmp_path / "home/store").mkdir(parents=True)
    (tmp_path / "home/store/nights").write_text("where a folder should be")
    (tmp_path / "home/inbox").mkdir()
    assert heard_once(fails("night", "--model", tmp_path), "night_failed", "FileExistsError", "not foreseen")


def test_22_11_a_training_that_fails(fails, tmp_path):
    assert heard_once(fails("train", "--set", "training.epochs=many"), "training_failed", "training.epochs")
    assert heard_once(fails("train", "--config", tmp_path / "gone.yaml"), "training_failed", "gone.yaml")
