"""The first page of the Data Docs: readable without a network, which Great Expectations' own index is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment

from pipeline.files import write_text
from pipeline.validation.reasons import CAPTION_REASONS, IMAGE_REASONS
from pipeline.validation.suites import Verdict

_PAGE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string("""\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Nightcap: validation</title>
<style>
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse; width: 100%; margin-bottom: 2em }
th, td { text-align: left; padding: .3em .8em .3em 0; border-bottom: 1px solid #8886; vertical-align: top }
td.number { text-align: right; font-variant-numeric: tabular-nums }
.failed { font-weight: bold }
</style>
<h1>{{ "Accepted" if accepted else "Rejected" }}</h1>
<p>{% for split, count in figures.splits.items() %}{{ count }} {{ split }}{{ ", " if not loop.last }}{% endfor %} images.</p>
{% for kind, reasons in kinds.items() %}
{% set counts = figures[kind] %}
<h2>{{ counts.accepted }} of {{ counts.read }} {{ kind }} accepted</h2>
{% if counts.quarantined %}
<table>
<tr><th>quarantined<th>reason<th>which means
{% for reason, count in counts.quarantined.items() %}
<tr><td class="number">{{ count }}<td>{{ reason }}<td>{{ reasons[reason] }}
{% endfor %}
</table>
{% endif %}
{% endfor %}
<h2>Rules</h2>
<table>
<tr><th>suite<th>rule<th>result
{% for suite, verdicts in suites.items() %}
{% for verdict in verdicts %}
<tr><td><a href="{{ pages[suite] }}">{{ suite }}</a><td>{{ verdict.rule.says }}
{% if verdict.passed %}<td>passed{% else %}<td class="failed">{{ verdict.rows | length or "" }} failed{% endif %}

{% endfor %}
{% endfor %}
</table>
<p><a href="{{ site }}">All pages of Great Expectations</a></p>
""")


def write_overview(
    folder: Path, figures: Mapping[str, Any], suites: Mapping[str, Sequence[Verdict]], accepted: bool
) -> None:
    """Put a page of figures and verdicts before the site, whose own index moves aside."""
    site = (folder / "index.html").rename(folder / "site.html")
    pages = {suite: next(folder.glob(f"validations/{suite}/**/*.html")).relative_to(folder) for suite in suites}
    kinds = {"images": IMAGE_REASONS, "captions": CAPTION_REASONS}
    page = _PAGE.render(figures=figures, suites=suites, accepted=accepted, site=site.name, pages=pages, kinds=kinds)
    write_text(folder / "index.html", page)
