"""An external captioner's answers, checked before they are captions."""

from __future__ import annotations

import logging
import math
import re
import unicodedata
from contextlib import suppress
from typing import Any

from pipeline.core.errors import BadInput
from pipeline.core.reasons import CAPTION_REJECTED, CAPTIONER_FAILED
from pipeline.model.interface import Caption

log = logging.getLogger(__name__)

MAX_CAPTION = 1000
_MARKUP = re.compile(r"<[A-Za-z/!?]")
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_JOINERS = frozenset("\u200c\u200d")  # words of some scripts need them


def captions_of(answers: Any, count: int) -> list[Caption]:
    """A caption an answer, or the reason why it is none; raises BadInput unless there is an answer for each image."""
    if not isinstance(answers, list) or len(answers) != count:  # so nobody knows which belongs to which
        number = len(answers) if isinstance(answers, list) else f"{type(answers).__name__} instead of"
        raise BadInput(CAPTIONER_FAILED, f"it gave {number} answers for {count} images")
    return [_caption(answer) for answer in answers]


def _caption(answer: Any) -> Caption:
    given = answer if isinstance(answer, dict) else {}
    try:
        text = _text(given.get("caption"))
    except BadInput as bad:
        log.warning("an external captioner's answer is no caption: %s", str(bad))  # see ExternalCaptioner._failed
        return Caption("", None, reason=bad.reason)
    score, confidence = _number(given.get("score")), _number(given.get("confidence"))
    return Caption(
        text,
        score if score is not None and score <= 0 else None,
        confidence=confidence if confidence is not None and confidence >= 0 else None,
    )


def _text(caption: Any) -> str:
    if not isinstance(caption, str):
        raise BadInput(CAPTION_REJECTED, f"it is {type(caption).__name__}, not a text")
    text = " ".join(caption.split())
    if not any(char.isalnum() for char in text):
        raise BadInput(CAPTION_REJECTED, "it has no words")
    if len(text) > MAX_CAPTION:
        raise BadInput(CAPTION_REJECTED, f"it has {len(text)} characters, more than {MAX_CAPTION}")
    if _MARKUP.search(text):
        raise BadInput(CAPTION_REJECTED, "it has markup")
    unseen = next((char for char in text if unicodedata.category(char) in _UNSEEN and char not in _JOINERS), None)
    if unseen is not None:
        raise BadInput(CAPTION_REJECTED, f"it has U+{ord(unseen):04X}, which cannot be seen")
    return text


def _number(value: Any) -> float | None:
    with suppress(OverflowError):
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    return None
