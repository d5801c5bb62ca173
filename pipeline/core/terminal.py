"""What consoles and logs show: names, captions and messages of others cannot act on a terminal or forge a line."""

from __future__ import annotations

import logging
import re
import sys
import traceback
import unicodedata
from types import TracebackType
from typing import Any, Final

# Invisible, and yet no control characters for Unicode: joiners, fillers and variation selectors.
_BLANK: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def escaped(text: str) -> str:
    """A text whose control, format, invisible and unassigned characters and line breaks are escaped, as Python does.

    ESC becomes `\\x1b`, a change of direction `\\u202e`; letters, marks and spaces of all scripts stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if _is_harmless(char) else _escape(char) for char in text)


def escaped_json(text: str) -> str:
    """JSON with the same characters as JSON's own escapes; its line breaks, which stand between values, stay."""
    return "".join(
        char if char == "\n" or _is_harmless(char) else "".join(map("\\u{:04x}".format, _utf16(char))) for char in text
    )


def escape_logs() -> None:
    """From now on this process logs only what is `escaped`, whoever logs it."""
    logging.setLogRecordFactory(_Record)
    sys.excepthook = _show_error


class _Record(logging.LogRecord):
    """A record whose message is one line, and whose traceback cannot be mistaken for other records."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.exc_info and self.exc_info[1]:
            self.exc_text = _traceback(self.exc_info[1])

    def getMessage(self) -> str:
        return escaped(super().getMessage())


def _show_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(f"{_traceback(error)}\n")


def _traceback(error: BaseException) -> str:
    first, *lines = "".join(traceback.format_exception(error)).rstrip("\n").split("\n")
    return "\n".join([escaped(first), *(f"  {escaped(line)}" for line in lines)])


def _is_harmless(char: str) -> bool:
    return (char.isprintable() and not _BLANK.match(char)) or unicodedata.category(char) == "Zs"


def _escape(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def _utf16(char: str) -> list[int]:
    data = char.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(data[index : index + 2]) for index in range(0, len(data), 2)]
