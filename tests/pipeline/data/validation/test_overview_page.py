import re
from html.parser import HTMLParser
from urllib.parse import unquote


class Tags(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page.read_text())

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_data_docs_can_be_moved_and_name_every_rule(validated, tmp_path):
    docs = (validated.output.path / "data_docs").rename(tmp_path / "moved")
    try:
        pages = list(docs.rglob("*.html"))
        assert len(pages) == 7  # the overview, three suites and their results
        for page in pages:
            links = [attributes["href"] for tag, attributes in Tags(page).found if tag == "a"]
            for link in links:
                assert re.match(r"https?:|#", link) or (page.parent / unquote(link)).is_file(), (page, link)
        overview = (docs / "index.html").read_text()
        assert "no image twice in a split" in overview
        assert "at least 3 accepted images in val" in overview
    finally:
        docs.rename(validated.output.path / "data_docs")


def test_a_rule_that_failed_leads_to_its_examples_within_the_page(validated):
    """MLflow's viewer shows one file and follows no link to another."""
    tags = Tags(validated.output.path / "data_docs" / "index.html").found
    places = [attributes["id"] for _, attributes in tags if "id" in attributes]
    targets = {attributes["href"][1:] for tag, attributes in tags if tag == "a" and attributes["href"][0] == "#"}
    assert "captions-markup" in targets
    assert targets <= set(places)
    assert len(places) == len(set(places))


def test_data_docs_show_failing_rows_but_run_nothing_of_theirs(validated):
    pages = list((validated.output.path / "data_docs").rglob("*.html"))
    assert any("&lt;img src=x onerror=alert(1)&gt;.png" in page.read_text() for page in pages)
    assert not any("onerror" in attributes for page in pages for _, attributes in Tags(page).found)


def test_the_page_counts_what_is_quarantined_and_gives_examples_but_no_personal_data(validated):
    page = (validated.output.path / "data_docs" / "index.html").read_text()
    for kind, counts in validated.output.figures().items():
        if kind != "splits":
            assert f"{counts['accepted']} of {counts['read']} {kind} accepted" in page
            for reason, count in counts["quarantined"].items():
                assert f'<td class="number">{count}</td><td><code>{reason}</code></td>' in page
    assert "a &lt;b&gt;bold&lt;/b&gt; dog" in page
    assert r"a \u202edesrever\u202c image" in page
    assert "bob@example.org" not in page
