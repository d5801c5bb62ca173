import jinja2
import pytest

from pipeline.core.pages import bar_chart, data_uri, render

PAGE = """
{% extends "base.html" %}
{% import "macros.html" as ui %}
{% block title %}{{ name }}{% endblock %}
{% block heading %}{{ name }}{% endblock %}
{% block content %}{{ ui.bars(chart) }}{{ share | percent }}{% endblock %}
"""


@pytest.fixture
def template(tmp_path):
    path = tmp_path / "page.html"
    path.write_text(PAGE)
    return path


def test_a_page_has_the_one_style_and_escapes_its_values(template):
    page = render(template, name="<b>night</b>", chart=bar_chart([1, 3], ["<i>", "few"]), share=0.256)
    assert page.index("prefers-color-scheme: dark") < page.index("<h1>&lt;b&gt;night&lt;/b&gt;</h1>")
    assert '<span title="&lt;i&gt;"><i style="--height: 0.333"></i></span>' in page
    assert "25.6%" in page
    assert "<b>night" not in page


def test_a_page_may_load_nothing_but_its_own_images(template):
    page = render(template, name="night", chart=[], share=0)
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in page


def test_a_missing_value_is_an_error(template):
    with pytest.raises(jinja2.UndefinedError, match="chart"):
        render(template, name="night", share=0)


def test_bars_and_lines_are_shares_of_the_highest():
    bars = bar_chart([1, 2], ["one", "two"], [4, 0])
    assert [(bar.height, bar.reference, bar.label) for bar in bars] == [(0.25, 1, "one"), (0.5, 0, "two")]
    assert [bar.reference for bar in bar_chart([1, 2], ["one", "two"])] == [None, None]
    assert bar_chart([0.0], ["none"])[0].height == 0


def test_text_is_not_escaped_and_says_what_was_not_measured(tmp_path):
    (tmp_path / "card.md.j2").write_text("{{ name }} {{ none | decimal }} {{ 1234.5 | count }} {{ -0.5 | score }}\n")
    assert render(tmp_path / "card.md.j2", name="<a & b>") == "<a & b> not measured 1,234 −0.50\n"  # noqa: RUF001


def test_an_image_lies_inside_its_page():
    assert data_uri(b"\x89PNG", "png") == "data:image/png;base64,iVBORw=="
