"""The layout of every page."""

from serving.app.pages import page


def test_every_page_leads_to_the_others_and_to_captions_with_words():
    for name, values in (
        ("nights.html", {"nights": [], "who": "ann"}),
        ("quarantine.html", {"night": "", "groups": [], "total": 0}),
        ("failed.html", {"message": "no", "told": {}}),
    ):
        text = page(name, **values).body.decode()
        assert all(f'href="{path}"' in text for path in ("/", "/review", "/quarantine"))
        assert 'role="search"' in text and 'name="words"' in text
