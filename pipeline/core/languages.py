"""Languages of captions: their codes (ISO 639-1), the scripts they are written in, and which one a text is in."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

_LANGUAGES: Final = {  # by the first word of their letters' Unicode names, HAN for CJK
    "LATIN": "aa af ak an ay az bi bm br bs ca ch co cs cy da de ee en eo es et eu ff fi fj fo fr fy ga gd gl gn"
    " gv ha ho hr ht hu hz ia id ie ig ik io is it jv kg ki kj kk kl kr ku kw la lb lg li ln lt lu lv mg"
    " mh mi ms mt na nb nd ng nl nn no nr nv ny oc om pl pt qu rm rn ro rw sc se sg sk sl sm sn so sq sr"
    " ss st su sv sw tk tl tn to tr ts tt tw ty uz ve vi vo wa wo xh yo za zu",
    "CYRILLIC": "ab av az ba be bg bs ce cu cv kk ku kv ky mk mn os ro ru sr tg tk tt uk uz",
    "ARABIC": "ar az fa ha kk ks ku ky ms pa ps sd tg ug ur uz",
    "DEVANAGARI": "bh hi ks mr ne pi sa sd",
    "ETHIOPIC": "am ti",
    "TIBETAN": "bo dz",
    "BENGALI": "as bn",
    "CANADIAN": "cr iu oj",
    "HEBREW": "he yi",
    "HAN": "ja zh",
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    **{"ARMENIAN": "hy", "GEORGIAN": "ka", "GREEK": "el", "HANGUL": "ko", "KHMER": "km", "LAO": "lo", "MYANMAR": "my"},
    **{"GUJARATI": "gu", "GURMUKHI": "pa", "KANNADA": "kn", "MALAYALAM": "ml", "ORIYA": "or", "SINHALA": "si"},
    **{"AVESTAN": "ae", "MONGOLIAN": "mn", "TAMIL": "ta", "TELUGU": "te", "THAANA": "dv", "THAI": "th", "YI": "ii"},
}
SPACELESS: Final = {"zh": "Chinese", "ja": "Japanese", "th": "Thai", "lo": "Lao", "my": "Burmese", "km": "Khmer"}
_CODES: Final = frozenset(" ".join(_LANGUAGES.values()).split())


def language_code(text: str) -> str:
    """The code in `zh`, `ZH` or `zh-TW`; ValueError if it is none of a language with a known script."""
    code = text.strip().lower().replace("_", "-").partition("-")[0]
    if code not in _CODES:
        raise ValueError(
            f"{text!r} is no code of a language in ISO 639-1; give one such as en, zh or tr, or leave it empty"
        )
    return code


def scripts_in(texts: Iterable[str]) -> Counter[str]:
    """How many letters of each script texts have: `LATIN`, `HAN`, `HIRAGANA` and so on."""
    counts: Counter[str] = Counter()
    for char, count in Counter(unicodedata.normalize("NFKC", "".join(texts))).items():
        if char.isalpha():
            script = unicodedata.name(char, "UNNAMED").replace("-", " ").split()[0]
            counts["HAN" if script == "CJK" else script] += count
    return counts


def detected(scripts: Mapping[str, int]) -> str | None:
    """The language that most letters tell; None where several are written in their script, such as Latin."""
    kana = scripts.get("HIRAGANA", 0) + scripts.get("KATAKANA", 0)
    han = scripts.get("HAN", 0)
    if (han + kana) * 2 > sum(scripts.values()):
        return "ja" if kana * 10 > han else "zh"
    most = max(scripts, key=lambda name: scripts[name], default="")
    codes = _LANGUAGES.get(most, "").split()
    return codes[0] if len(codes) == 1 and scripts[most] * 2 > sum(scripts.values()) else None


def contradiction(code: str, scripts: Mapping[str, int]) -> str | None:
    """Why texts can hardly be in a language; None where their scripts allow it."""
    own = [name for name, codes in _LANGUAGES.items() if code in codes.split()]
    share = sum(scripts.get(name, 0) for name in own) / max(1, sum(scripts.values()))
    found = detected(scripts)
    if share > 0.5 and (found == code or {found, code} != {"ja", "zh"}):
        return None
    most = max(scripts, key=lambda name: scripts[name], default="no letters").title()
    told = f"most letters are {most}" if found is None else f"most letters are {most}, which tells {found}"
    return f"{told}; {code} is written in {' or '.join(name.title() for name in own)}"
