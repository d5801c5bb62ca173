"""Names as people write them, and the names that are known: equal to the eye is enough."""

from __future__ import annotations

import difflib
import os
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath

from pipeline.storage.objects.base import printable

_MOST_COMPARED = 100_000  # known names that an unknown one is compared with for its likeness
_MOST_LIKENED = 20  # unknown names that get such a comparison
_SHOWN = 5


@dataclass(frozen=True)
class MatchedNames:
    """What became of some names."""

    found: Mapping[str, str]  # the known name of each given name that has one
    unknown: Mapping[str, str | None]  # of each other given name the likely known one, if there is any

    def unknown_named(self) -> str:
        """The first unknown names and their likely ones, for a message; empty if all are known."""
        lines = [f"{_named(name)}{f' (perhaps {_named(likely)})' if likely else ''}" for name, likely in self._first()]
        rest = len(self.unknown) - len(lines)
        return ", ".join(lines) + (f" and {rest} more" if rest else "")

    def _first(self) -> Iterator[tuple[str, str | None]]:
        return islice(self.unknown.items(), _SHOWN)


def match_names(given: Iterable[str], known: Iterable[str], folders: Iterable[str] = ()) -> MatchedNames:
    """Find the known name of each given one; of the known names, which are read once, few are in memory.

    A name is found if it is known as it is; else if it is equal to one known name but for Unicode's forms (NFC, NFD),
    separators (`\\`, `//`, `./`), links, and being relative to the working directory or to one of the `folders`. The
    likely name of an unknown one has the same last part, in any case and with any suffix, or looks much like it.
    """
    search = _Search(given, folders)
    for name in known:
        search.compare(name)
    return search.matched()


def unknown_among(given: Iterable[str], known: Collection[str]) -> str:
    """Given names that are not known as they are, for a message, with their likely ones; empty if all are known."""
    rest = [name for name in dict.fromkeys(given) if name not in known]
    matched = match_names(rest, known)
    return MatchedNames({}, {name: matched.found.get(name) or matched.unknown[name] for name in rest}).unknown_named()


def same_to_the_eye(name: str) -> str:
    """A name's form in which names that look the same are equal: NFC, slashes, and neither `//` nor `.` as a part."""
    slashed = name if name.isascii() else unicodedata.normalize("NFC", name)
    slashed = slashed.replace("\\", "/")
    scheme, separator, path = slashed.partition("://")
    if not separator:
        scheme, path = "", slashed
    if "//" in path or path.startswith("./") or "/." in path:
        root = "/" if path.startswith("/") and not separator else ""
        path = root + "/".join(part for part in path.split("/") if part not in {"", "."})
    return f"{scheme}{separator}{path}"


class _Search:
    """Given names, and what the known ones say about them so far."""

    def __init__(self, given: Iterable[str], folders: Iterable[str]) -> None:
        self._given, self._folders = list(dict.fromkeys(given)), [folder.rstrip("/") for folder in folders]
        self._exact = set(self._given)
        self._forms: dict[str, list[str]] = {}
        self._stems: dict[str, list[str]] = {}
        for name in self._given:
            for form in self._forms_of(name):
                self._forms.setdefault(form, []).append(name)
            self._stems.setdefault(_stem(name), []).append(name)
        self._equal: dict[str, set[str]] = {name: set() for name in self._given}
        self._known: set[str] = set()
        self._likely: dict[str, str] = {}
        self._sample: list[str] = []

    def compare(self, known: str) -> None:
        """Take one known name into account."""
        if known in self._exact:
            self._known.add(known)
        for name in self._forms.get(same_to_the_eye(known), ()):
            self._equal[name].add(known)
        for name in self._stems.get(_stem(known), ()):
            self._likely.setdefault(name, known)
        if len(self._sample) < _MOST_COMPARED:
            self._sample.append(known)

    def matched(self) -> MatchedNames:
        """The outcome once all known names were compared."""
        found, unknown = dict[str, str](), dict[str, str | None]()
        for name in self._given:
            equal = self._equal[name]
            if name in self._known:
                found[name] = name
            elif len(equal) == 1:
                found[name] = next(iter(equal))
            else:  # of several that look the same none is meant more than another
                unknown[name] = min(equal) if equal else self._likely.get(name)
        unlikely = [name for name, likely in unknown.items() if likely is None]
        return MatchedNames(found, unknown | {name: self._alike(name) for name in unlikely[:_MOST_LIKENED]})

    def _forms_of(self, name: str) -> set[str]:
        """Every name that this one may stand for."""
        plain = name.replace("\\", "/")
        paths = {name, plain}
        if "://" not in plain:
            with suppress(ValueError):  # no file can have such a name
                paths |= {os.path.abspath(plain), os.path.realpath(plain)}  # noqa: PTH100 - with its links, and without
            if not plain.startswith("/"):
                paths |= {f"{folder}/{plain}" for folder in self._folders}
        paths |= {path.removeprefix(f"{folder}/") for path in paths for folder in self._folders}
        return {same_to_the_eye(form) for path in paths for form in (path, _printable(path))}

    def _alike(self, name: str) -> str | None:
        """The known name whose last part is most like this one's; None if none is much like it."""
        last_parts = {PurePosixPath(same_to_the_eye(known)).name: known for known in reversed(self._sample)}
        close = difflib.get_close_matches(PurePosixPath(same_to_the_eye(name)).name, last_parts, 1, 0.8)
        return last_parts[close[0]] if close else None


def _printable(path: str) -> str:
    """A path as the table of captions has it, where bytes that are no UTF-8 are escapes such as `\\xff`."""
    try:
        return printable(path)
    except UnicodeEncodeError:  # half a surrogate pair, which no file's name has
        return ascii(path)


def _stem(name: str) -> str:
    """A name's last part without suffix, in lower case."""
    last = same_to_the_eye(name).rpartition("/")[2]
    return (last.rpartition(".")[0] or last).casefold()


def _named(name: str) -> str:
    """A name for a message; a form that the eye cannot tell from NFC is spelled out."""
    return ascii(name) if unicodedata.normalize("NFC", name) != name else repr(name)
