"""Forms of pages."""

import re
from html import unescape


def fields(page):
    """The hidden fields of a page's forms; of those with one name, the first."""
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text)
    return {name: unescape(value) for name, value in reversed(found)}
