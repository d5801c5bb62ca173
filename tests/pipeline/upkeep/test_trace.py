"""From an image to models, runs and snapshots, and back."""

import time

import pytest
from deltalake import write_deltalake

from benchmarks.trace_scale import address, fill
from pipeline.core.errors import SettingsError
from pipeline.registry.promotions import PASSED
from pipeline.storage.files import sha256
from pipeline.storage.tables import CaptionTable
from pipeline.upkeep.trace import Tracer
from tests.pipeline.registry.light_registry import NAME, home_in
from tests.pipeline.storage.tables.table_rows import later, row, rows
from tests.pipeline.upkeep.traced_home import continued_home, traced_home

IMAGES = {"a.jpg": "train", "b.jpg": "val"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return traced_home(tmp_path_factory.mktemp("traced"))


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


def test_22_15_the_sequence_decides_which_caption_is_newest(tmp_path):
    """A clock was years ahead for the first night; another writer's row has no sequence and stands by its time."""
    home, table = home_in(tmp_path), CaptionTable(tmp_path / "captions")
    table.append(rows(row("/in/1.jpg", caption="of a wrong clock", **later(4000))), 0)
    table.append(rows(row("/in/1.jpg", caption="second", model_version="2", **later(1))), 1)
    table.append(rows(row("/in/1.jpg", caption="third", model_version="3", **later(9))), 2)
    write_deltalake(table.uri, rows(row("/in/1.jpg", caption="by hand", source="human", **later(5))), mode="append")
    captions = Tracer(home, table).trace("/in/1.jpg")["captions"]
    assert [each["caption"] for each in captions] == ["third", "by hand", "second", "of a wrong clock"]


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
def continued(tmp_path):
    home = continued_home(tmp_path)
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
