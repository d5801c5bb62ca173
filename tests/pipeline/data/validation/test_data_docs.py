import re
from html.parser import HTMLParser


class Loaded(HTMLParser):
    """What a browser would load, and the style that it would apply."""

    def __init__(self, page):
        super().__init__()
        self.addresses, self.tags = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag != "a":
            self.addresses += [value for name, value in attrs if name in ("src", "href")]


def test_no_page_of_great_expectations_loads_anything(validated):
    docs = validated.output.path / "data_docs"
    pages = [page for page in docs.rglob("*.html") if page != docs / "index.html"]
    assert pages
    for page in pages:
        text = page.read_text()
        loaded = Loaded(text)
        assert (loaded.addresses, set(loaded.tags) & {"script", "link"}) == ([], set()), page
        assert not re.search(r"url\(|@import", text), page
        assert "--accent" in text, "the page has a style of its own"
        assert "default-src 'none'" in text
    assert {path.suffix for path in docs.rglob("*") if path.is_file()} == {".html"}


def test_a_page_says_in_words_which_rule_failed(validated):
    pages = [page.read_text() for page in (validated.output.path / "data_docs" / "validations").rglob("*.html")]
    failed = [page for page in pages if "fa-times" in page]
    assert failed
    assert all(".fa-times::before" in page for page in failed)
    assert all('content: "failed"' in page for page in failed)
