"""The pages of Great Expectations, made to look the same without a network: by themselves they load styles and scripts."""

from __future__ import annotations

import re
import shutil
from functools import cache
from pathlib import Path

from pipeline.core.pages import render
from pipeline.storage.files import write_text

_REMOTE = r"""["']https?://[^>]*"""
# Their scripts sort and filter by libraries of the network; without these they fail.
_NEEDS_NETWORK = re.compile(
    rf"<script\b.*?</script>|<style\b.*?</style>|<footer\b.*?</footer>|<link\b[^>]*>|<img\b[^>]*={_REMOTE}>",
    re.DOTALL,
)


def make_local(site: Path) -> None:
    """Let the pages of a site load nothing from a network, and give them Nightcap's style.

    The site's own index goes, as scripts would fill it: `overview_page` links to every page. So do its 4 MB of fonts.
    """
    (site / "index.html").unlink()
    shutil.rmtree(site / "static")
    for page in site.rglob("*.html"):
        write_text(page, _local(page.read_text(encoding="utf-8")))


def _local(page: str) -> str:
    page = _NEEDS_NETWORK.sub("", page).replace("<html>", '<html lang="en">', 1)
    return page.replace("</head>", f"{_head()}</head>", 1)


@cache
def _head() -> str:
    return render(Path(__file__).with_suffix(".html"))
