"""The pages that people read: links lead somewhere, sentences are short, paths exist, the drawing is current."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.make_speed_svg import current_speed
from infra.make_system_svg import current

CHECKOUT = Path(__file__).parents[2]
DOCS = CHECKOUT / "docs"
PAGES = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
WIDTH, LINES, WORDS = 120, 4, 25
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)")
NO_PARAGRAPH = ("#", "|", "- ", "* ", "!", "  ")


def prose(page):
    return FENCE.sub("", page.read_text())


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def paragraphs(page) -> Iterator[list[str]]:
    """Runs of lines that are no heading, table, list or image; a numbered item is a list's."""
    lines: list[str] = []
    for line in [*prose(page).splitlines(), ""]:
        if line.strip() and not line.startswith(NO_PARAGRAPH) and not re.match(r"\d+\. ", line):
            lines.append(line)
        elif lines:
            yield lines
            lines = []


def sentences(page) -> Iterator[str]:
    """Sentences of paragraphs, list items and cells; a link counts as its text, an entry of a cell ends at a semicolon."""
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", prose(page))
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"^(#.*|\s*[-*] |\d+\. )", "\n\n", text, flags=re.MULTILINE)
    text = re.sub(r"^\|.*", lambda row: "\n\n" + row[0].replace("; ", "|") + "\n\n", text, flags=re.MULTILINE)
    for block in re.split(r"\n\s*\n|\|", text):
        yield from re.split(r"(?<=[.?!:])\s+(?=[A-Z`*])", " ".join(block.split()))


def too_long(page):
    return [sentence for sentence in sentences(page) if len(sentence.split()) > WORDS]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_links_and_anchors_lead_somewhere(page):
    for link in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_index_names_every_page():
    named = {(DOCS / link).resolve() for link in LINK.findall((DOCS / "index.md").read_text())}
    assert {page for page in DOCS.rglob("*.md") if page.name != "index.md"} <= named


def test_the_readme_names_the_two_commands():
    readme = (CHECKOUT / "README.md").read_text()
    assert "make run" in readme
    assert "make test" in readme


WRITTEN = [page for page in PAGES if page.name != "reference.md"]


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_paragraphs_and_sentences_are_short(page):
    assert [lines for lines in paragraphs(page) if len(lines) > LINES] == []
    assert [line for lines in paragraphs(page) for line in lines if len(line) > WIDTH] == []
    assert too_long(page) == []


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_every_path_exists(page):
    folders = "pipeline|serving|nightcap|dags|infra|tests|benchmarks"
    paths = set(re.findall(rf"`((?:{folders})/[\w./-]*)`", prose(page)))
    assert {path for path in paths if not (CHECKOUT / path).exists()} == set()


def test_the_architecture_says_where_to_change_twenty_things():
    section = prose(DOCS / "architecture.md").partition("## Where to change what")[2].partition("\n## ")[0]
    rows = [row for row in section.splitlines() if re.match(r"\| .*`.*\.(py|yml)`", row)]
    assert len(rows) == 20


@pytest.mark.parametrize("layer", ["pipeline", "serving"])
def test_the_architecture_has_a_row_for_every_layer(layer):
    text = (DOCS / "architecture.md").read_text()
    places = [place for place in (CHECKOUT / layer).iterdir() if not place.name.startswith("__")]
    names = [f"{layer}/{place.name}{'/' * place.is_dir()}" for place in places]
    assert [name for name in names if f"| `{name}` |" not in text] == []


def test_the_drawing_is_that_of_its_text():
    assert (DOCS / "system.svg").read_text() == current(), "run `make docs`"


def test_the_plot_of_speed_is_that_of_its_table():
    assert (DOCS / "speed.svg").read_text() == current_speed(), "run `make docs`"


def test_pictures_are_small():
    assert [image for image in (DOCS / "images").iterdir() if image.stat().st_size > 200_000] == []
