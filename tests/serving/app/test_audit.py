"""The audit of a night over HTTP."""

import re
from html import escape

import pytest
from fastapi.testclient import TestClient

from pipeline.registry.acceptance import Share, acceptance_of
from pipeline.storage.tables import CaptionTable
from pipeline.storage.tables.reviews import ReviewTable
from serving.app.audit_sample import is_blind
from serving.app.review import Review
from serving.app.reviewed_images import ReviewedImages
from serving.app.server import create_app
from tests.serving.app.forms import fields

KEY = "the-key"


@pytest.fixture
def client(world):
    world.fill(14)
    world.night(alternatives=1)
    with ReviewedImages(world.home) as images:
        yield TestClient(create_app(Review(world.home, "ann"), images, KEY), cookies={"nightcap-None": KEY})


def captions(world):
    return CaptionTable(world.home.captions).current(world.images())


def test_of_the_blind_half_no_word_is_sent_before_the_persons_own(client, world):
    models, seen = captions(world), {True: 0, False: 0}
    alternatives = {row["image"]: row["alternatives"][0] for row in world.rows()}
    page = client.get("/audit?night=n1")
    for _ in models:
        form = fields(page)
        image, blind = form["image"], is_blind("n1", form["image"])
        seen[blind] += 1
        words = [models[image], alternatives[image]]
        assert [escape(each) in page.text for each in words] == [not blind] * 2
        if blind:
            refused = client.post("/audit", data=form | {"action": "accept", "shown": models[image], "caption": " "})
            assert "shown" not in fields(refused) and words[0] not in refused.text
            page = client.post("/audit", data=form | {"action": "write", "caption": "own words"})
            assert all(escape(each) in page.text for each in (*words, "own words"))
            form = fields(page)
            assert form["image"] == image
        page = client.post("/audit", data=form | {"action": "accept", "caption": "own words"})
    assert "Nothing is left to audit" in page.text
    assert min(seen.values()) > 0
    assert captions(world) == models
    said = acceptance_of(world.home.store, "captioner", "3")
    assert said is not None and (said.blind, said.open) == tuple(
        Share(seen[blind], seen[blind]) for blind in (True, False)
    )
    assert f"of 14 captions that people reviewed, 14 were accepted ({said.accepted.bounds})" in page.text


def test_what_is_edited_rejected_and_taken_back(client, world):
    models, reviews = captions(world), ReviewTable.of(world.home.store)
    form = fields(page := client.get("/audit?night=n1"))
    if is_blind("n1", first := form["image"]):
        form = fields(client.post("/audit", data=form | {"action": "write", "caption": "own words"}))
    client.post("/audit", data=form | {"action": "save", "caption": f"{models[first]} by hand"})
    page = client.get("/audit?night=n1&at=1")
    form = fields(page)
    if is_blind("n1", second := form["image"]):
        form = fields(client.post("/audit", data=form | {"action": "write", "caption": "own words"}))
    page = client.post("/audit", data=form | {"action": "reject", "caption": ""})
    said = {each.image: (each.decision, each.distance, each.audited, each.blind) for each in reviews.read()}
    assert said == {
        first: ("edited", 2, True, is_blind("n1", first)),
        second: ("rejected", None, True, is_blind("n1", second)),
    }
    assert captions(world) == models | {first: f"{models[first]} by hand"}
    assert "<b>2</b> of 14 reviewed" in page.text
    assert re.search(r'href="/audit\?night=n1">2 of 14</a>', client.get("/").text)
    page = client.post("/undo", data={"image": second, "night": "n1"})
    assert "<b>1</b> of 14 reviewed" in page.text
    assert [each.image for each in reviews.read()] == [first]


def test_captions_that_were_passed_over_come_again(client, world):
    for _ in range(12):
        form = fields(client.get("/audit?night=n1&at=2"))
        if is_blind("n1", form["image"]):
            form = fields(client.post("/audit", data=form | {"action": "write", "caption": "own"}))
        page = client.post("/audit", data=form | {"action": "accept", "caption": "own"})
    assert "Nothing is left to audit" not in page.text
    assert fields(page)["image"] in world.images()


def test_a_night_that_is_published_later_can_be_audited(client, world):
    assert client.get("/audit?night=n2").status_code == 400
    world.fill(2, start=20)
    world.night("n2")
    assert client.get("/audit?night=n2").status_code == 200


def test_what_changed_meanwhile_or_is_of_no_audit_is_refused(client, world):
    form = fields(client.get("/audit?night=n1"))
    if is_blind("n1", form["image"]):
        form = fields(client.post("/audit", data=form | {"action": "write", "caption": "own"}))
    for odd in ({"shown": "other words"}, {"image": "/etc/passwd"}, {"night": "n2"}, {"action": "drop"}):
        refused = client.post("/audit", data=form | {"action": "reject", "caption": "x"} | odd)
        assert refused.status_code == (409 if "shown" in odd else 400)
    assert ReviewTable.of(world.home.store).read() == []
    assert client.get("/audit?night=n2").status_code == 400
