"""One form of a text, whichever keyboard or program wrote it, for vocabularies and scores alike.

Text of ASCII stays as it is. In scripts without spaces every character is a word of its own, with its marks, which is
usual for scores of Chinese captions (docs/decisions/0030).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Final

DOTLESS = ("tr", "az")  # languages in which I is a capital ı
NORMALISATION: Final = 2  # the number of this form; vocabularies of form 1 kept typographic variants apart

_HAN = "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_KANA = "\u3040-\u30fa\u30fc-\u312f\u31f0-\u31ff"
_THAI, _LAO = "\u0e01-\u0e2e\u0e30-\u0e4e\u0e50-\u0e59", "\u0e80-\u0eff"
_BURMESE = "\u1000-\u1049\u1050-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f"
_KHMER = "\u1780-\u17d3\u17d7\u17dc-\u17f9"
_SPACELESS = _HAN + _KANA + _THAI + _LAO + _BURMESE + _KHMER  # scripts without spaces between words

# Combining marks, as characters of a regular expression's set.
MARKS = "".join(
    chr(code)
    for start, end in ((0x300, 0x1B00), (0x1DC0, 0x1E00), (0x20D0, 0x2100), (0x3099, 0x309B), (0xA8E0, 0xABFF))
    for code in range(start, end)
    if unicodedata.category(chr(code))[0] == "M"
)
_CHARACTER = re.compile(rf"[{_SPACELESS}](?:[\u17d2\u1039][{_SPACELESS}]|[{MARKS}])*")
_BETWEEN = re.compile(rf"(?<=[{_SPACELESS}]) (?=[{_SPACELESS}])")

# Full and half width, ligatures, and Arabic letters by their place in a word.
_COMPATIBLE = re.compile(r"[\uff01-\uffee\ufb00-\ufb4f\ufb50-\ufdfb\ufe70-\ufefc]+")
# Soft hyphens, joiners, directions and variants; Arabic's stretched lines and vowel signs; Hebrew's points.
_UNSEEN = re.compile(
    "[\xad\u034f\u061c\u200c-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\u20e3"
    "\u0640\u064b-\u0652\u0670\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7]"
)
_LETTER = r"[^\W\d_]"
_APOSTROPHE = re.compile(rf"(?<={_LETTER})[\u2019\u02bc\u2032\u00b4\u2018\u02b9\u201b\ua78c](?={_LETTER})")
_HYPHEN = re.compile(r"(?<=\w)[\u2010\u2011](?=\w)")
_ELA_GEMINADA = re.compile(r"(?<=[lL])[\u00b7\u2022\u2027\u2219\u22c5](?=[lL])")
_TURKISH = re.compile(r"\w*[\u011e\u011f\u0130\u0131]\w*")  # words with ğ, İ or ı, in which I is a capital ı
_HEBREW_QUOTE = re.compile("(?<=[\u05d0-\u05ea])(?:(['\u05f3])|[\"\u05f4\u201d])(?=[\u05d0-\u05ea])")
_OTHER_PUNCTUATION = re.compile(
    "[\u200b\u3000-\u3004\u3008-\u3020\u3030\u303d\u30fb\u0e2f\u0e46\u0e5a\u0e5b\u104a-\u104f\u17d4-\u17d6\u17d8-\u17da"
    "\u0964\u0965\u060c\u061b\u061f\u06d4\u05be\u05c0\u05c3\u00bf\u00a1]"
)


def normalised(text: str) -> str:
    """The text in NFC, without typographic variants and invisible signs, spaces around characters that are words."""
    if text.isascii():
        return text
    text = _COMPATIBLE.sub(lambda run: unicodedata.normalize("NFKC", run[0]), unicodedata.normalize("NFC", text))
    text = _HYPHEN.sub("-", _APOSTROPHE.sub("'", _UNSEEN.sub("", text)))
    text = _TURKISH.sub(lambda word: dotless(word[0]), text)
    text = _ELA_GEMINADA.sub("\u00b7", text)
    text = _HEBREW_QUOTE.sub(lambda sign: "\u05f3" if sign[1] else "\u05f4", text)
    return _CHARACTER.sub(r" \g<0> ", _OTHER_PUNCTUATION.sub(" ", text))


def dotless(text: str) -> str:
    """Turkish or Azeri text with capital I and İ in lower case: ı and i."""
    return unicodedata.normalize("NFC", text).replace("I", "\u0131").replace("\u0130", "i")


def in_case_of(language: str | None) -> Callable[[str], str]:
    """How captions of a language are written before anything makes words of them."""
    return dotless if language in DOTLESS else str


def is_normalised(text: str) -> bool:
    """Whether `normalised` changes more than what vocabularies without it changed, too."""
    return unicodedata.normalize("NFC", text) != normalised(text)


def joined(words: Iterable[str]) -> str:
    """Words as a caption, without spaces in scripts that have none."""
    return _BETWEEN.sub("", " ".join(words))
