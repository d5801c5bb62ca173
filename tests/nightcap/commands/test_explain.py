"""`nightcap explain`."""

import base64
import io
import os
import re
from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture
def image(tmp_path, photo):
    path = tmp_path / "<b>holiday & sea.jpg"
    path.write_bytes(photo(4))
    return path


def opened(uri):
    return Image.open(io.BytesIO(base64.b64decode(uri.partition("base64,")[2])))


def test_a_page_shows_every_word_over_the_image(run, trained, image, tmp_path):
    done = run("explain", image, "--output", tmp_path / "new" / "pages")
    assert done.code == 0
    page = Path(done.out.removesuffix("\n"))
    assert page.parent == tmp_path / "new" / "pages"
    text = page.read_text(encoding="utf-8")
    caption = re.search(r"<h1>(.+)</h1>", text)[1]
    assert done.err.startswith(f"{caption} (-")
    assert re.findall(r"<h2>([^<]+)<span>(?:\d+%|under 1%)</span>", text) == caption.split()
    sources = re.findall(r'<img src="([^"]+)"', text)
    assert opened(sources[0]).size == (300, 220)
    assert [opened(source).size for source in sources[1:]] == [(7, 7)] * 2 * len(caption.split())
    assert "aspect-ratio: 300 / 220" in text  # a squashed image is shown as it was
    assert "captioner version 1" in text


def test_the_page_asks_for_nothing_and_shows_names_as_text(run, trained, image, tmp_path):
    page = Path(run("explain", image, "--output", tmp_path).out.strip()).read_text(encoding="utf-8")
    assert "default-src 'none'; img-src data:" in page
    assert not re.search(r"https?://|<script|<b>holiday", page)
    assert f"{tmp_path}/&lt;b&gt;holiday &amp; sea.jpg" in page
    assert all(address.startswith("data:image/") for address in re.findall(r'(?:src="|url\()([^")]+)', page))


def test_pages_of_one_name_lie_side_by_side_in_the_home(run, trained, tmp_path, photo):
    pages = set()
    for number in (1, 2):
        path = tmp_path / str(number) / "same.jpg"
        path.parent.mkdir()
        path.write_bytes(photo(number))
        pages.add(Path(run("explain", path).out.strip()))
    assert {page.parent for page in pages} == {Path(os.environ["NIGHTCAP_HOME"]) / "explanations"}
    assert len(pages) == len({page.read_text(encoding="utf-8") for page in pages}) == 2


@pytest.mark.parametrize("image", ["none.jpg", ".", "s3://bucket/a.jpg"])
def test_what_is_no_file_is_one_line(run, image):
    assert run("explain", image).refused(2, image, "name one file")


@pytest.mark.parametrize(("name", "says"), [("b_truncated.jpg", "ends too early"), ("c_empty.jpg", "empty")])
def test_a_broken_image_is_one_line(run, bad_folder, name, says):
    assert run("explain", bad_folder / name).refused(1, name, says)


def test_an_image_that_kills_its_decoder_is_one_line(run, image, holes):
    image.write_bytes(image.read_bytes() + b"#crash")
    assert run("explain", image).refused(1, "cannot be explained", "died of it")


def test_a_folder_that_cannot_be_made_is_one_line(run, image):
    assert run("explain", image, "--output", image / "below").refused(2, "--output", "below")
