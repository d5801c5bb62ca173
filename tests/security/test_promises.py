"""SECURITY.md: each promise is linked to a test that is there, by its name."""

import re
from pathlib import Path

import pytest

from tests.security.test_rows import names_in

CHECKOUT = Path(__file__).parents[2]
TEXT = (CHECKOUT / "SECURITY.md").read_text()
PROMISES = [
    line for line in TEXT.partition("## Promises")[2].partition("\n## ")[0].splitlines() if line.startswith("| ")
][1:]
LINK = re.compile(r"\[([^\]]+)\]\(([^)#]+)\)")


def test_it_says_all_that_a_reader_asks():
    headings = re.findall(r"^## (.+)$", TEXT, re.MULTILINE)
    assert headings == ["Report", "Who is trusted", "Promises", "Not promised", "Harden", "After a leak"]


@pytest.mark.parametrize("promise", PROMISES, ids=lambda line: line[2:40])
def test_a_promise_is_held_by_tests(promise):
    links = LINK.findall(promise)
    assert links
    for name, file in links:
        assert name in names_in(file), (file, name)


@pytest.mark.parametrize("link", sorted({file for _, file in LINK.findall(TEXT)}))
def test_a_link_leads_somewhere(link):
    assert (CHECKOUT / link).is_file()


def test_every_secret_of_the_stack_can_be_rotated():
    secrets = re.findall(r"^(\w+)=$", (CHECKOUT / ".env.example").read_text(), re.MULTILINE)
    named = [each.replace("*", r"\w+") for each in re.findall(r"`([A-Z*_\d]+)`", TEXT.partition("## After a leak")[2])]
    assert [name for name in secrets if not any(re.fullmatch(pattern, name) for pattern in named)] == []
