"""The pages over HTTP."""

import json
import shutil
from dataclasses import replace
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from fastapi.testclient import TestClient

from pipeline.storage.tables import CaptionTable
from serving.app.review import Review
from serving.app.reviewed_images import ReviewedImages
from serving.app.server import create_app
from serving.runs.lifecycle import RunFolder, planned_runs
from tests.pipeline.storage.tables.table_rows import quarantined, row, rows
from tests.serving.app.forms import fields

KEY = "the-key"
ODD = "<script>alert(1)</script>\"'&"


@pytest.fixture
def image(world):
    image = world.fill(1)[0]
    world.night()
    return image


@pytest.fixture
def client(world, image):
    with ReviewedImages(world.home) as images:
        yield TestClient(create_app(Review(world.home, "ann"), images, KEY), cookies={"nightcap-None": KEY})


def current(world, image):
    return CaptionTable(world.home.captions).current([image])[image]


def test_only_who_has_the_key_comes_in(client):
    stranger = TestClient(client.app)
    for path in (
        "/",
        "/review",
        "/history?name=x",
        "/held?night=n1",
        "/quarantine",
        "/audit?night=n1",
        "/image?name=x",
        "/review.js",
        "/?key=other",
    ):
        refused = stranger.get(path)
        assert (refused.status_code, "nightcap app" in refused.text) == (403, True)
    for path in ("/caption", "/audit", "/undo"):
        assert stranger.post(path, data={"image": "x"}).status_code == 403
    welcome = stranger.get(f"/?key={KEY}", follow_redirects=False)
    assert (welcome.status_code, welcome.headers["location"]) == (303, "/")
    assert {"HttpOnly", "SameSite=lax"} <= set(welcome.headers["set-cookie"].split("; "))
    assert stranger.get("/").status_code == 200


def test_a_caption_is_found_shown_written_anew_and_taken_back(client, world, image):
    model = current(world, image)
    page = client.get("/review", params={"words": model.split()[-1], "source": "model"})
    assert model in page.text and fields(page)["image"] == image
    assert client.get("/image", params={"name": image}).headers["content-type"] == "image/jpeg"
    done = client.post("/caption", data=fields(page) | {"caption": "by hand"}, follow_redirects=False)
    query = parse_qs(urlsplit(done.headers["location"]).query)
    assert (done.status_code, query["at"], query["source"]) == (303, ["0"], ["model"])
    assert current(world, image) == "by hand"
    page = client.get("/review?source=human")
    assert "by hand" in page.text and "Take my words back" in page.text
    assert client.post("/undo", data=fields(page)).status_code == 200
    assert current(world, image) == model


def test_words_that_changed_meanwhile_are_told_and_nothing_is_written(client, world, image):
    form = fields(client.get("/review"))
    client.post("/caption", data=form | {"caption": "first"})
    late = client.post("/caption", data=form | {"caption": "second"})
    assert (late.status_code, "changed by ann" in late.text) == (409, True)
    assert "second" in late.text and "first" in late.text
    assert current(world, image) == "first"


@pytest.mark.parametrize("order", ["confidence", "newest", "name"])
@pytest.mark.parametrize("given", [{}, {"source": "model"}, {"night": "n1"}, {"words": "image"}])
def test_each_image_is_shown_once_however_they_are_filtered_and_ordered(client, world, order, given):
    paths = world.fill(5)
    world.night("n2")
    given = given | ({"night": "n2"} if "night" in given else {})
    wanted = set(paths)  # the first of which is written anew, and so one of n2
    page, seen = client.get("/review", params=given | {"order": order}), []
    for number in range(len(wanted)):
        form = fields(page)
        seen.append(form["image"])
        page = client.post("/caption", data=form | {"caption": f"image {number}"})
    assert (len(seen), set(seen)) == (len(wanted), wanted)


def test_a_held_night_and_quarantined_images_are_shown(client, world):
    paths = [*world.fill(2, start=50), world.put("empty.jpg", b"")]
    RunFolder.holding(world.captioned("n2")).hold(["drift"], ODD)
    unseen = client.get("/image", params={"name": paths[0]})
    page = client.get("/held?night=n2")
    assert (unseen.status_code, page.status_code, page.text.count("<img")) == (404, 200, 3)
    assert "&lt;script&gt;alert" in page.text and "nightcap night --night n2 --accept-drift" in page.text
    assert client.get("/image", params={"name": paths[0]}).headers["content-type"] == "image/jpeg"
    assert [client.get(path).status_code for path in ("/held?night=n1", "/held?night=..%2F..", "/?")] == [400, 400, 200]
    quarantine = client.get("/quarantine")
    assert quarantine.status_code == 200 and "No image is quarantined" in quarantine.text


def test_a_run_of_airflow_leads_to_its_night_whatever_became_of_it(client, world):
    world.fill(2, start=70)
    held = world.captioned("n2")
    RunFolder.holding(held).hold(["drift"], "too far off")

    def place(**given):
        return client.get("/night", params=given, follow_redirects=False)

    assert place(night="n1").headers["location"] == "/review?night=n1"
    assert place(night="n2").headers["location"] == "/held?night=n2"
    assert place(run=RunFolder.holding(held).names[1]).headers["location"] == "/held?night=n2"
    for refused in (place(run=ODD), place(night=ODD)):
        assert (refused.status_code, "&lt;script&gt;" in refused.text) == (400, True)
    assert place().status_code == 400
    assert "link on the task `publish`" in place(run=ODD).text


def test_a_run_without_captions_leads_to_its_quarantine_unless_its_night_has_captions(client, world):
    world.put("empty.jpg", b"")
    world.night("n2")
    assert client.get("/night?night=n2", follow_redirects=False).headers["location"] == "/quarantine?night=n2"
    (run,) = (each for each in planned_runs(world.home.store) if each.names[0] == "n1")
    later = run.path.parents[1].with_name("later")
    shutil.copytree(run.path.parents[1], later)
    for file, given in (
        (later / "plan/plan.json", {"planned_at": "2999-01-01T00:00:00+00:00"}),
        (later / "published.json", {"captioned": 0, "quarantined": 1}),
    ):
        file.write_text(json.dumps(json.loads(file.read_text()) | given))
    assert client.get("/night?night=n1", follow_redirects=False).headers["location"] == "/review?night=n1"


def test_only_airflow_may_show_the_pages_in_its_own(world, image):
    for address, origin in (("", "'none'"), ("https://airflow.example/x/", "https://airflow.example")):
        home = replace(world.home, airflow_url=address)
        with ReviewedImages(home) as images:
            client = TestClient(create_app(Review(home, "ann"), images, KEY))
            policy = client.get("/").headers["content-security-policy"]
            assert policy.endswith(f"frame-ancestors {origin}")


@pytest.mark.parametrize("caption", ["", " ", "x" * 2_001])
def test_words_that_are_no_caption_are_refused(client, world, image, caption):
    form = fields(client.get("/review"))
    before = current(world, image)
    assert client.post("/caption", data=form | {"caption": caption}).status_code == 400
    assert current(world, image) == before
    assert client.post("/caption", content=b"x" * 100_001).status_code == 400


def test_names_and_captions_are_text_on_every_page(world):
    table = CaptionTable(world.home.captions)
    table.append(rows(quarantined(f"/in/q{ODD}.jpg", ODD, night=ODD)), 0)
    table.append(rows(row(f"/in/{ODD}.jpg", caption=ODD, alternatives=[ODD], night=ODD, model_name=ODD)), 1)
    with ReviewedImages(world.home) as images:
        client = TestClient(create_app(Review(world.home, ODD), images, KEY), cookies={"nightcap-None": KEY})
        page = client.get("/review")
        assert "<script>alert" not in page.text and page.text.count("&lt;script&gt;alert") >= 6
        assert "script-src 'self'" in page.headers["content-security-policy"]
        assert client.get(f"/review?words={quote(ODD)}&night={quote(ODD)}").status_code == 200
        assert [client.get(f"/review?{odd}").status_code for odd in ("words=a%00b", f"at={10**20}")] == [200, 422]
        history = client.get("/history", params={"name": f"/in/{ODD}.jpg"})
        assert (history.status_code, "<script>alert" in history.text) == (200, False)
        assert client.get("/history", params={"name": ODD}).status_code == 400
        quarantine = client.get("/quarantine", params={"night": ODD})
        assert "<script>alert" not in quarantine.text and "/in/q" in quarantine.text
        assert client.get("/image", params={"name": "/etc/passwd"}).status_code == 404
        assert client.get("/image", params={"name": f"/in/{ODD}.jpg"}).status_code == 400
