"""Checks of a caption for personal data, links, and formulas that a spreadsheet would run."""

from __future__ import annotations

import re
import unicodedata

_EMAIL = re.compile(
    r"[\w.+-]{1,64}\s?(?:@|\(at\)|\[at\])\s?[\w-]{1,63}(?:\s?(?:\.|\(dot\)|\[dot\])\s?[\w-]{2,63})+", re.I
)
_DIGITS = re.compile(r"(?<![\w.])\+?\(?\d(?:[ ().\-/]{0,2}\d){7,18}(?!\w)")
_SOCIAL = re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])")
_ACCOUNT = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b")
_ADDRESS = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])")
_HANDLE = re.compile(r"(?<!\w)@[A-Za-z_]\w{2,30}")
_LINK = re.compile(r"(?:\b(?:https?|ftp|file|data|javascript):|\bwww\.)\S", re.I)
_FORMULA = re.compile(r"\s*(?:[=@]|[+-]\S)")
_DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}")
SCANNED = 10_000  # characters; a longer caption is quarantined anyway
_IN_ROW = 3  # groups of a number as people write it, such as +49 30 1234567


def personal_data(caption: str) -> int:
    """How many e-mail addresses, telephone, card, account and social security numbers, IP addresses and handles.

    Letters of other widths and invisible characters hide nothing. Names of people are not recognised.
    """
    text = _plain(caption)
    count = sum(len(pattern.findall(text)) for pattern in (_EMAIL, _SOCIAL, _HANDLE))
    count += sum(_is_account(match) for match in _ACCOUNT.findall(text))
    count += sum(all(int(part) < 256 for part in match.split(".")) for match in _ADDRESS.findall(text))
    return count + sum(_is_number(match) for match in _DIGITS.findall(text))


def links(caption: str) -> int:
    """How many addresses of the web, or of what a browser would open."""
    return len(_LINK.findall(_plain(caption)))


def is_formula(caption: str) -> bool:
    """Whether a spreadsheet would take the caption for a formula."""
    return _FORMULA.match(_plain(caption)) is not None


def _plain(caption: str) -> str:
    """The text in common letters, without invisible characters."""
    if caption.isascii():
        return caption[:SCANNED]
    text = unicodedata.normalize("NFKC", caption[:SCANNED])
    return "".join(char for char in text if unicodedata.category(char) != "Cf")


def _is_number(text: str) -> bool:
    """Whether digits are a telephone or card number, and no date, score or sum."""
    digits = re.sub(r"\D", "", text)
    if _DATE.fullmatch(text):
        return False
    if text.startswith("+"):
        return len(digits) >= 8
    if len(digits) >= 13 and _luhn(digits):
        return True
    groups = re.findall(r"\d+", text)
    return 9 <= len(digits) <= 15 and max(map(len, groups)) >= _IN_ROW


def _luhn(digits: str) -> bool:
    """Whether the last digit is a card number's check digit (ISO/IEC 7812)."""
    doubled = [int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _is_account(text: str) -> bool:
    """Whether it is an account number whose check digits are right (ISO 13616)."""
    packed = text.replace(" ", "")
    moved = packed[4:] + packed[:4]
    return int("".join(str(int(char, 36)) for char in moved)) % 97 == 1
