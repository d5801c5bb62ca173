"""From an image to models, runs and snapshots, and back."""

import json
import time

import pytest

from benchmarks.trace_scale import address, fill
from nightcap.cli import main
from pipeline.core.errors import SettingsError
from pipeline.registry.lineage import ACCEPTED_TAG, SNAPSHOT_TAG, START_TAG
from pipeline.registry.promotions import GATE_TAG, PASSED, VERDICT_TAG, Promotions
from pipeline.registry.versions import DIGEST_TAG
from pipeline.storage.files import sha256
from pipeline.storage.tables import CaptionTable
from pipeline.upkeep.trace import Tracer
from tests.pipeline.registry.light_registry import NAME, add_versions, home_in
from tests.pipeline.storage.tables.table_rows import later, quarantined, row, rows
from tests.pipeline.training.training_outputs import train

IMAGES = {"a.jpg": "train", "b.jpg": "val"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Two versions from two trainings, the first a champion that captioned two nights, the second without tags."""
    home = home_in(tmp_path_factory.mktemp("traced"))
    registry = add_versions(home, "one", "two", "three")
    tags = {each.version: each.tags[DIGEST_TAG] for each in registry.versions(NAME)}
    first = train(home, "first", IMAGES | {"spoilt.jpg": "train"}, tags["1"], left_out=["spoilt.jpg"])
    train(home, "second", {"b.jpg": "train"}, tags["2"])
    registry.tag(NAME, "1", {SNAPSHOT_TAG: first["snapshot"].digest, ACCEPTED_TAG: first["validate"].digest})
    registry.tag(NAME, "1", {GATE_TAG: PASSED, VERDICT_TAG: "better by far"})
    Promotions(home).promote(NAME, "1", 0, "Ada")
    seen = sha256(b"a.jpg")
    CaptionTable(home.captions).append(
        rows(
            row("/in/1.jpg", sha256="1" * 64),
            row("/in/1.jpg", etag="e2", sha256="2" * 64, model_version="2", night="n2", run="r2", **later()),
            row("/in/a.jpg", sha256=seen, night="n3", caption="seen before"),
            row("/in/hand.jpg", source="human", model_name=None, model_version=None, night=None, run=None),
            row("/in/lost.jpg", model_version="9"),
            row("/in/folder.jpg", model_name="mine", model_version=""),
            quarantined("/in/bad.jpg", "truncated"),
        ),
        0,
    )
    return home


@pytest.fixture
def tracer(home):
    return Tracer(home, CaptionTable(home.captions))


def test_a_caption_leads_to_its_version_run_snapshot_verdict_and_promotion(home, tracer):
    found = tracer.trace("/in/1.jpg")
    assert [(each["etag"], each["model"]["version"]) for each in found["captions"]] == [("e2", "2"), ("e1", "1")]
    [_, first] = found["captions"]
    assert (first["night"], first["run"], first["caption"]) == ("n1", "r1", "an image of /in/1.jpg")
    model = first["model"]
    assert model["registered"]
    assert model["verdict"] == {"gate": PASSED, "reason": "better by far"}
    assert [(each["number"], each["from"], each["to"], each["who"]) for each in model["promotions"]] == [
        (1, None, "1", "Ada")
    ]
    assert model["aliases"] == ["champion"]
    assert "first" in (home.store / model["snapshot"] / "stage.json").read_text()
    assert found["trained"] == []


def test_a_version_without_tags_is_followed_through_its_bundle(home, tracer):
    [newest, _] = tracer.trace("/in/1.jpg")["captions"]
    assert "second" in (home.store / newest["model"]["snapshot"] / "stage.json").read_text()


@pytest.mark.parametrize("asked", ["b.jpg", "/data/b.jpg", sha256(b"b.jpg")])
def test_a_training_image_leads_to_versions_and_the_nights_that_they_captioned(tracer, asked):
    found = tracer.trace(asked)["trained"]
    assert {(each["version"], *each["splits"], each["accepted"]) for each in found} == {
        ("2", "train", True),
        ("1", "val", True),
    }
    assert {each["version"]: each["nights"] for each in found} == {"1": {"n1": 1, "n3": 1}, "2": {"n2": 1}}


def test_what_validation_left_out_trained_nothing(tracer):
    [version] = tracer.trace("spoilt.jpg")["trained"]
    assert version["accepted"] is False


def test_a_captioned_image_with_the_bytes_of_a_training_image_is_told_of(tracer):
    [version] = tracer.trace("/in/a.jpg")["trained"]
    assert (version["version"], version["splits"]) == ("1", ["train"])
    assert [each["image"] for each in tracer.trace(sha256(b"a.jpg"))["captions"]] == ["/in/a.jpg"]


def test_captions_of_models_that_were_trained_on_an_image(tracer):
    published = [each["image"] for each in tracer.captions_of(tracer.trace("a.jpg"))]
    assert published == ["/in/1.jpg", "/in/a.jpg"]


@pytest.fixture
def continued(tmp_path, monkeypatch):
    """A version that continues one, as its tag says, and one that continues that, as only the store says."""
    home = home_in(tmp_path)
    registry = add_versions(home, "one", "two", "three", "four")
    digests = {each.version: each.tags[DIGEST_TAG] for each in registry.versions(NAME)}
    train(home, "first", {"a.jpg": "train", "v.jpg": "val", "t.jpg": "test"}, digests["1"], left_out=["v.jpg"])
    second = train(home, "second", {"b.jpg": "train", "v.jpg": "train"}, digests["2"])
    registry.tag(NAME, "2", {SNAPSHOT_TAG: second["snapshot"].digest, START_TAG: digests["1"]})
    train(home, "third", {"a.jpg": "test"}, digests["3"], begun_with=digests["2"])
    train(home, "fourth", {"d.jpg": "train"}, digests["4"])
    monkeypatch.setenv("NIGHTCAP_HOME", str(home.root))
    return Tracer(home, CaptionTable(home.captions))


@pytest.mark.parametrize(
    ("asked", "trained"),
    [
        ("a.jpg", {"1": (["train"], [], True), "2": (["train"], ["1"], True), "3": (["test", "train"], ["1"], True)}),
        ("b.jpg", {"2": (["train"], [], True), "3": (["train"], ["2"], True)}),
        (
            "v.jpg",
            {
                "1": (["val"], [], False),
                "2": (["train", "val"], ["1"], True),
                "3": (["train", "val"], ["2", "1"], True),
            },
        ),
        ("t.jpg", {"1": (["test"], [], True)}),
        ("d.jpg", {"4": (["train"], [], True)}),
    ],
)
def test_a_version_that_continues_another_knows_what_that_was_trained_on(continued, asked, trained):
    assert {
        each["version"]: (each["splits"], each["through"], each["accepted"])
        for each in continued.trace(asked)["trained"]
    } == {
        number: (splits, [f"models:/{NAME}/{each}" for each in through], accepted)
        for number, (splits, through, accepted) in trained.items()
    }


def test_the_command_says_through_which_version(continued, capsys):
    with pytest.raises(SystemExit):
        main(["trace", "b.jpg"])
    assert f"in the snapshot (train) of {NAME} version 3, which continues models:/{NAME}/2\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("asked", "model"),
    [
        ("/in/hand.jpg", None),
        ("/in/folder.jpg", None),
        ("/in/lost.jpg", {"name": NAME, "version": "9", "registered": False}),
    ],
)
def test_people_folders_and_versions_that_are_gone(tracer, asked, model):
    [caption] = tracer.trace(asked)["captions"]
    assert caption["model"] == model


def test_what_nobody_knows_is_refused(home, tracer):
    with pytest.raises(SettingsError, match=r"nothing is known of 'x\.jpg'.*captions.*2 snapshots.*SHA-256"):
        tracer.trace("x.jpg")


def test_a_million_rows_take_less_than_five_seconds(home, tmp_path):
    table = CaptionTable(tmp_path / "captions")
    fill(table, 1_000_000, 20)
    for asked in (address(500_000), sha256(b"500000"), "b.jpg"):
        began = time.process_time()  # other work on the machine is no failure
        found = Tracer(home, table).trace(asked)
        assert time.process_time() - began < 5
        assert len(found["captions"]) == (asked != "b.jpg")
    assert {each["version"]: sum(each["nights"].values()) for each in found["trained"]} == {"1": 500_000, "2": 500_000}


@pytest.fixture
def run(home, monkeypatch, capsys):
    monkeypatch.setenv("NIGHTCAP_HOME", str(home.root))

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["trace", *map(str, arguments)])
        return ended.value.code, capsys.readouterr()

    return run


def test_the_command_prints_lines_that_a_person_reads(run):
    code, said = run("/in/1.jpg")
    assert not code
    for told in ("by captioner version 1, night n1, run r1", "better by far", "journal entry 1: promote - -> 1", "Ada"):
        assert told in said.out
    assert "truncated" in run("/in/bad.jpg")[1].out
    assert "published in nights: n1 (1), n3 (1)" in run("a.jpg")[1].out
    assert "left out by validation" in run("spoilt.jpg")[1].out


def test_the_command_prints_json_and_writes_captions(run, tmp_path):
    code, said = run("b.jpg", "--json", "--captions", tmp_path / "out.jsonl")
    assert not code
    assert len(json.loads(said.out)["trained"]) == 2
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert {json.loads(line)["model_version"] for line in lines} == {"1", "2"}


def test_the_command_refuses_what_nobody_knows_in_one_line(run):
    code, said = run("x.jpg")
    assert code == 2
    assert said.err.startswith("nightcap: nothing is known of 'x.jpg'")
    assert said.err.count("\n") == 1
