"""The gallery page of a night."""

from html.parser import HTMLParser

from pipeline.core.reasons import NIGHT_REASONS
from pipeline.model.interface import Caption
from serving.reporting.report import report
from tests.serving.night_world import ColourCaptioner, image, unexpected


class Page(HTMLParser):
    """Tags with their attributes, and the visible text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data.strip())

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    def says(self, text):
        return text in " ".join(self.text)


def page(world, night="n1"):
    return Page((world.folder(night) / "gallery" / "index.html").read_text())


def test_the_page_shows_images_captions_and_quarantine(world):
    world.fill(3)
    world.put("bad.jpg", b"<html>")
    world.night()
    shown = page(world)
    images = shown.all("img")
    assert len(images) == 3
    for attributes in images:
        assert attributes["alt"].startswith("an image of ")
        assert (world.folder() / "gallery" / attributes["src"]).read_bytes()[:2] == b"\xff\xd8"
    assert shown.says("bad.jpg")
    assert shown.says(NIGHT_REASONS["not_an_image"])
    assert shown.says("version 3")


def test_everything_is_escaped(world):
    class Hostile(ColourCaptioner):
        def caption(self, pixels):
            return [Caption('<script>alert("c")</script>" onerror="x', -1.0, ("<img src=x>",)) for _ in pixels]

    world.put('<script>alert("n")<\u2215script>.jpg', image("red"))
    world.put("<script>bad.jpg", b"")
    world.night(load=lambda pinned: Hostile(), alternatives=1)
    shown = page(world)
    assert shown.all("script") == []
    assert shown.says("<img src=x>")
    assert [set(attributes) for attributes in shown.all("img")] == [{"src", "alt", "loading"}]
    assert shown.says('<script>alert("c")</script>')
    assert shown.says("<script>bad.jpg")


def test_nothing_comes_from_outside(world):
    world.fill(1)
    world.night()
    shown = page(world)
    assert not [tag for tag in ("script", "link", "iframe", "object") if shown.all(tag)]
    assert all("//" not in value for _, attributes in shown.tags for value in attributes.values() if value)


def test_a_large_night_shows_a_sample(world):
    world.fill(9)
    world.night(gallery_size=4)
    assert len(page(world).all("img")) == 4
    assert page(world).says("A sample of 4 of 9 images")


def test_an_image_that_is_gone_leaves_its_caption(world):
    paths = world.fill(2)
    world.night()
    (world.folder() / "gallery" / "index.html").unlink()
    (world.folder() / "gallery").rename(world.folder() / "old")
    world.home.inbox.joinpath("000.jpg").unlink()
    report(world.folder() / "plan" / "plan.json")
    shown = page(world)
    assert len(shown.all("img")) == 1
    assert shown.says("has changed since")
    assert shown.says(paths[0].rsplit("/", 1)[-1])


def test_a_night_without_images_says_so(world):
    world.night(load=unexpected)
    assert page(world).says("Nothing new.")
    assert not (world.home.store / "nights" / "latest").exists()
