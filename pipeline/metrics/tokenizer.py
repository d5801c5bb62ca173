"""Penn Treebank tokens as the COCO caption evaluation makes them, without Java.

The reference is Stanford's PTBTokenizer 3.4.1 with `-preserveLines -lowerCase`, followed by the removal of
punctuation, as `pycocoevalcap` runs it. Like any lexer it takes, at each position, the rule with the longest match,
and the first of those that tie. Tokens in a caption hardly depend on text beyond a space, so each stretch between
spaces is tokenised by itself, once.

Known differences, all of them rare: curly apostrophes are straightened everywhere (in the reference `o’clock` and
`o'clock` are two words), no token has a space (in the reference `1 1/2` may be one), and text beyond ASCII is
normalised first.
"""

from __future__ import annotations

import html
import re
from functools import lru_cache

from pipeline.metrics.normalisation import MARKS, normalised

_ABBREVIATIONS = """
    Adj Adm Adv Ala Apr Aug Ave Bhd Blvd Cie Co Col Conn Corp Cos Cpl Ct Dec Dept Det Dr Drs Ens Esq Est Etc Ext
    Feb Fla Fri Ft Ga Gen Gov Hon Inc Ind Intl Jan Jr Jul Jun Lt Ltd Maj Mar Md Messrs Mfg Mme Mo Mon Mr Mrs Ms Mt
    Neb Nev Nov Oct Pfc Ph Plc Prof Pte Pty Pvt Rd Rep Rev Rt Sen Sep Sept Seq Sfc Sgt Spc Sq Sr St Ste Sys Tel Thu
    Thurs Tue Tues Univ Va Vs Vt Wed Wis Wisc Wm Wyo
"""
_CAPITALISED_ABBREVIATIONS = "Ariz Ark Az Calif Colo Del Ill La Mass Mich Minn Miss Okla Ore Pa Penn Tenn Tex Wash"

_LETTER = (
    rf"(?:[^\W\d_]|[\u0900-\u0dff{MARKS}]"
    r"|(?<=[lL])\u00b7(?=[lL])|(?<=[\u05d0-\u05ea])[\u05f3\u05f4](?=[\u05d0-\u05ea]))"
)
_ALNUM = rf"(?:{_LETTER}|\d)"
_WORD = rf"{_LETTER}{_ALNUM}*"
_PART = rf"(?:[dolDOL]'{_ALNUM})?{_ALNUM}+"
_SLASH_PART = r"[A-Za-z0-9]+(?:-[A-Za-z]+){0,2}"
_INITIALS = r"[A-Za-z](?:\.[A-Za-z])+\."
_ADDRESS = r"[^\s(){}\"`<>|]*[\w/]"
_END = r"(?![A-Za-z])"

# If a rule has a group, the group is the token, and the rest must follow it.
# Bounded repeats keep the time linear on text made to be slow.
_RULES = tuple(
    re.compile(rule)
    for rule in (
        # addresses, tags and handles
        rf"(?:https?://|www\.){_ADDRESS}",
        rf"(?:\w{{1,63}}\.){{1,9}}(?:com|net|org|edu)/{_ADDRESS}",
        r"[A-Za-z0-9][\w.+-]{0,63}@(?:\w[\w-]{0,62}\.){0,9}\w+",
        r"</?[A-Za-z][\w.:-]*/?>",
        r"[#@][A-Za-z][A-Za-z0-9]*",
        # contractions: man|'s, do|n't, 't|is, y'|all
        rf"({_WORD})'(?i:[msd]|re|ve|ll){_END}",
        rf"'(?i:[msd]|re|ve|ll){_END}",
        r"([A-Za-z]+)[nN]['`][tT]",
        rf"[nN]['`][tT]{_END}",
        rf"('[tT])(?i:is|was){_END}",
        r"([yY]')[A-Za-z]",
        # words with an apostrophe inside: rock 'n' roll, '80s, O'Brien, ma'am
        rf"'[nN](?:'|{_END})",
        r"'\d\ds?(?![A-Za-z0-9'])",
        rf"(?i:[dlj]'|ol'|dunkin'|'em|'till?|'cause|c'mon|c'est|cap'n){_END}",
        rf"[A-HJ-XZn]'{_LETTER}{_LETTER}+",
        rf"{_LETTER}+[aeiouyAEIOUY]'[aeiouA-Z]{_LETTER}*",
        # abbreviations that keep their full stop
        _INITIALS,
        r"[A-Za-z]\.",
        rf"(?i:{'|'.join(_ABBREVIATIONS.split())}|ph\.d)\.",
        rf"(?:{'|'.join(_CAPITALISED_ABBREVIATIONS.split())})\.",
        # words, also joined by hyphens, slashes, underscores or ampersands
        rf"{_WORD}(?:[.!?]{_WORD})*",
        rf"{_PART}(?:-{_PART})*",
        rf"[A-Za-z0-9][A-Za-z0-9.,]{{0,63}}(?:-(?:{_INITIALS}|[A-Za-z0-9]+))+",
        rf"{_SLASH_PART}(?:\\?/{_SLASH_PART}){{1,2}}",
        r"[A-Za-z0-9]+(?:_[A-Za-z0-9]+)+",
        r"[A-Z]+(?:[+&][A-Z]+)+",
        # numbers, money, smileys, runs of signs, anything else
        r"[-+]?(?:\d*(?:[.:,]\d+)+|\d+)",
        r"[A-Z]*\$",
        r"[CcFf]#|[Cc]\+\+",
        r"[<>]?[:;=]['*-]?[()DPdp\\{@|\[\]](?![A-Za-z0-9])",
        r"[?!]+|-+|_+|\*+|#+|@+|\.{3,}",
        r"\S",
    )
)

_PUNCTUATION = re.compile(r"[.,:;'`\"-]+|[?!]")
_TWO_WORDS = dict.fromkeys(("cannot", "gonna", "gotta", "wanna", "lemme", "gimme"), 3)
_BRACKETS = str.maketrans({"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"})
_TYPOGRAPHY = str.maketrans(
    {"\u2019": "'", "\u2026": "...", "\u00ad": "", "£": "#", "€": "$", "¢": " cents "}
    | dict.fromkeys("\u2018\u201a\u201b\u201c\u201d\u201e\u201f\u2039\u203a«»", '"')
    | dict.fromkeys("\u2012\u2013\u2014\u2015", "--")
    | {"½": " 1/2 ", "¼": " 1/4 ", "¾": " 3/4 ", "⅓": " 1/3 ", "⅔": " 2/3 ", "⅛": " 1/8 "}
)
# Punctuation of Armenian, Sinhalese, Tibetan, Georgian and Ethiopic, which parts words.
_PARTS_WORDS = re.compile("[\u055a-\u055f\u0589\u0df4\u0f04-\u0f14\u10fb\u1361-\u1368]")
# Signs the reference cannot read and drops: controls, joiners, variation selectors, emoji.
_UNREADABLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufe00-\ufe0f\ufeff\U00010000-\U0001ffff\U00040000-\U0010ffff]"
)


def tokenize(text: str) -> list[str]:
    """Lower-case PTB tokens of a caption, without punctuation.

    `"The man's dog can't sit."` gives `the man 's dog ca n't sit`. Line breaks count as spaces. Brackets stay, as
    `-lrb-` and so on: the evaluation removes them in capitals only, after lower-casing.
    """
    plain = normalised(html.unescape(text)).translate(_TYPOGRAPHY)
    plain = _UNREADABLE.sub(" ", _PARTS_WORDS.sub(" ", plain))
    return [token for chunk in plain.split() for token in _tokens(chunk)]


@lru_cache(maxsize=1 << 16)
def _tokens(chunk: str) -> tuple[str, ...]:
    tokens: list[str] = []
    start = 0
    while start < len(chunk):
        matches = [match for rule in _RULES if (match := rule.match(chunk, start))]
        best = max(matches, key=lambda match: match.end())
        token = str(best[best.re.groups])
        start += len(token)
        tokens += _without_punctuation(token)
    return tuple(tokens)


def _without_punctuation(token: str) -> list[str]:
    token = token.lower()
    if _PUNCTUATION.fullmatch(token):
        return []
    if cut := _TWO_WORDS.get(token):
        return [token[:cut], token[cut:]]
    return [token.translate(_BRACKETS)]
