"""A home that an older commit made works on: models, tables, nights and trainings that it left half done.

All is asked of the command line, but for the training, which here ends with the stage that was killed.
"""

import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from nightcap.cli import main
from nightcap.options import settings_from
from pipeline.core.environment import Home
from pipeline.training.features import extract_shard
from pipeline.training.run import TrainingRun
from pipeline.training_pipeline import run_stage, run_until
from tests.fixtures.old_home import unpacked

NAME = "home-2026-11-30"  # of commit 60ff7d2
STRANGER = """
import json, sys, mlflow, pandas
model = mlflow.pyfunc.load_model("models:/captioner/2")
given = model.predict(pandas.DataFrame({"image": [open(path, "rb").read() for path in sys.argv[1:]]}))
import pipeline
print(json.dumps({"captions": list(given["caption"]), "code": pipeline.__file__}))
"""
BEFORE_TRAIN = ("snapshot", "validate", "start", "adapt_vocabulary", "encoder", "extract_features")


@pytest.fixture(scope="module")
def root():
    """The old home in its place; each test goes on with another part of it."""
    with unpacked(NAME) as root:
        yield root


@pytest.fixture
def expected(root):
    """What the old commit made of it."""
    return json.loads((root / "expected.json").read_text())


@pytest.fixture
def nightcap(root, monkeypatch, capsys):
    """Runs a command on it in this process, which must succeed; what it prints, and what it says."""
    monkeypatch.setenv("NIGHTCAP_HOME", str(root))

    def nightcap(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(each) for each in arguments])
        streams = capsys.readouterr()
        assert not ended.value.code, streams.err
        return streams.out, " ".join(streams.err.split())

    return nightcap


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def rows(root, night=None, table="captions"):
    """Rows of a table by image, those of one night if it is named."""
    found = DeltaTable(str(root / "store" / table)).to_pyarrow_table().to_pylist()
    return {row["image"]: row for row in found if night in (None, row["night"])}


def captioned(root, night):
    """Rows that a night has in its parts, by image."""
    parts = sorted((root / "store" / "nights" / night).glob("*/parts/*.parquet"))
    assert parts
    return {row["image"]: row for part in parts for row in pq.read_table(part).to_pylist()}


def told(row):
    """What a part and the table both say, and when it was captioned: done once more, that would be later."""
    return [row[name] for name in ("etag", "status", "reason", "caption", "score", "run", "captioned_at")]


def outputs(root):
    """The finished outputs of stages, as `stage/digest`."""
    return {f"{path.parent.name}/{path.name}" for path in (root / "store" / "stages").glob("*/[0-9a-f]*")}


def test_both_versions_are_registered_as_they_were(nightcap, expected):
    found = lines(nightcap("models", "list", "captioner", "--json")[0])
    assert {each["version"]: each["bundle_digest"] for each in found} == expected["digests"]
    assert [each["aliases"] for each in found if "champion" in each["aliases"]] == [["challenger", "champion"]]


def test_the_champion_captions_as_it_did(nightcap, root, expected):
    found = lines(nightcap("caption", root / "inbox", root / "half")[0])
    wanted = expected["captions"]
    assert [each["score"] for each in found] == pytest.approx([each["score"] for each in wanted], abs=1e-4)
    assert [each["confidence"] for each in found] == pytest.approx([each["confidence"] for each in wanted], abs=1e-3)
    for key in ("image", "status", "caption", "reason", "flags"):
        assert [each[key] for each in found] == [each[key] for each in wanted]


def test_a_version_captions_with_the_code_that_it_came_with(root, expected, tmp_path):
    """In a process that knows MLflow's address alone; today's modules may have other names."""
    wanted = [each for each in expected["captions"] if each["caption"]][:2]
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("NIGHTCAP", "PYTHON"))}
    environ |= {"MLFLOW_TRACKING_URI": f"sqlite:///{root / 'mlflow.db'}", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", STRANGER, *(each["image"] for each in wanted)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environ, timeout=250, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["captions"] == [each["caption"] for each in wanted]
    assert Path(answer["code"]).is_relative_to(root)


def test_the_table_and_its_current_captions_read_as_they_did(root, expected):
    found = DeltaTable(str(root / "store" / "captions")).to_pyarrow_table().to_pylist()
    known = [{key: row[key] for key in expected["rows"][0]} for row in found]
    assert [row for row in expected["rows"] if row not in known] == []
    [by_hand] = [row for row in expected["rows"] if row["source"] == "human"]
    current = rows(root, table="captions_current")
    assert current[by_hand["image"]]["caption"] == by_hand["caption"]
    assert {row["image"] for row in expected["rows"] if row["status"] == "captioned"} <= current.keys()


def test_a_night_takes_what_is_new_and_writes_the_current_captions(nightcap, root, expected):
    known = {row["image"] for row in expected["rows"]}
    image = shutil.copyfile(next((root / "odd").glob("*.png")), root / "inbox" / "new.png")
    try:
        _, said = nightcap("night", "--night", "today", "--set", "unusable=record")
    finally:
        image.unlink()
    assert f"night today: 1 captioned, 0 quarantined, {len(known)} unchanged" in said
    assert rows(root, "today").keys() == {str(image)}
    assert str(image) in rows(root, table="captions_current")


def test_tables_are_kept_up(nightcap, root, expected):
    assert "has every column" in nightcap("tables", "upgrade")[0]
    nightcap("tables", "compact")
    assert {row["image"] for row in expected["rows"]} <= rows(root).keys()


def test_a_half_done_night_is_resumed_and_what_it_had_done_stays(nightcap, root):
    done = captioned(root, "half")
    images = {str(path) for path in (root / "half").iterdir()}
    assert done.keys() < images
    nightcap("night", "--night", "half", "--input", root / "half")
    published = rows(root, "half")
    assert published.keys() == images
    assert {row["run"] for row in published.values()} == {"manual__half"}
    assert {image: told(published[image]) for image in done} == {image: told(row) for image, row in done.items()}


def test_a_night_that_was_held_back_is_published_as_it_was(nightcap, root):
    done = captioned(root, "odd")
    _, said = nightcap("night", "--night", "odd", "--accept-quarantine")
    assert "night odd: 2 captioned, 1 quarantined (1 truncated)" in said
    published = rows(root, "odd")
    assert {image: told(row) for image, row in published.items()} == {image: told(row) for image, row in done.items()}


def test_a_killed_training_goes_on_in_its_epoch_and_no_stage_before_it_runs_again(nightcap, root, expected, caplog):
    before, rows = outputs(root), []
    progress, underway = expected["interrupted"]["progress"], expected["interrupted"]["underway"]
    run = TrainingRun(settings_from(root / "killed.yaml", []), Home.from_environment())
    run = run_until("provide_encoder", run)
    assert extract_shard(run, 0)["extracted"] == 0
    run = run_stage("extract_features", run)
    assert run.done == {stage: expected["stages"][stage] for stage in BEFORE_TRAIN}
    with caplog.at_level(logging.INFO):
        run = run_stage("train", run, rows.append)
    assert f"train: resuming after epoch {progress['epoch']} and {underway['steps']} steps" in caplog.text
    curves = run.output("train").figures()["curves"]
    assert curves == [*progress["curves"], *rows]
    assert len(curves) == run.settings.training.epochs > len(rows)
    assert outputs(root) - before == {f"train/{run.done['train'][:32]}"}
    assert not list((root / "store" / "unfinished" / "train").iterdir())


def test_an_image_is_traced_to_its_model_and_what_was_trained_on_it(nightcap, expected):
    [by_hand] = [row for row in expected["rows"] if row["source"] == "human"]
    found = json.loads(nightcap("trace", by_hand["image"], "--json")[0])
    assert [row["caption"] for row in found["captions"] if row["source"] == "human"] == [by_hand["caption"]]
    [trained] = found["trained"]
    assert (trained["version"], trained["splits"], trained["accepted"]) == ("2", ["train"], True)
    [promotion] = trained["promotions"]
    assert (promotion["from"], promotion["to"], promotion["who"]) == ("1", "2", "ada")
    assert Path(trained["snapshot"]).name == expected["stages"]["snapshot"][:32]


def test_what_is_reached_is_no_waste(nightcap, root, expected):
    found, _ = nightcap("gc", "--keep-days", "0", "--runs", "0", "--night-days", "9999")
    listed = {line.split()[-1] for line in found.splitlines()}
    checkpoints = {str(path) for path in (root / "store" / "unfinished").glob("*/*")}
    kept = {str(root / "store" / "stages" / stage / digest[:32]) for stage, digest in expected["stages"].items()}
    assert checkpoints <= listed
    assert not listed & kept
    assert {Path(each).parent.name for each in listed} <= {"train"}  # checkpoints, or what the test above came to


def test_a_rollback_goes_to_the_version_before(nightcap, root, tmp_path, monkeypatch, expected):
    """In a copy of the journal and the registry, as other tests need the champion."""
    shutil.copyfile(root / "mlflow.db", tmp_path / "mlflow.db")
    shutil.copytree(root / "store" / "promotions", tmp_path / "store" / "promotions")
    monkeypatch.setenv("NIGHTCAP_HOME", str(tmp_path))
    monkeypatch.setenv("NIGHTCAP_CAPTIONS", str(root / "store" / "captions"))
    said, _ = nightcap("models", "rollback", "--why", "a try")
    assert "captioner version 1 is the champion (entry 2 of the promotion journal)" in said
    assert "nights that used version 2, with their captions: " in said
    assert "second (2)" in said
    entries = [(each["action"], each["from"], each["to"]) for each in lines(nightcap("models", "journal", "--json")[0])]
    assert entries == [("rollback", "2", "1"), ("promote", "1", "2")]
    found = lines(nightcap("models", "list", "captioner", "--json")[0])
    assert {each["version"]: "champion" in each["aliases"] for each in found} == {"1": True, "2": False}
