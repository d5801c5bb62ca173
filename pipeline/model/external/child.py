"""Runs an external captioner. A program of its own: it needs mlflow and pandas, and nothing of ours.

    python -I child.py FOLDER MEMORY_BYTES

A request on standard input is a line of JSON, a list of sizes, and then so many bytes an image. An answer on
standard output is a line of JSON: {"ready": true}, {"answers": [..]} or {"error": ".."}.
"""

from __future__ import annotations

import ctypes
import json
import math
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

DIE_WITH_PARENT, NO_NEW_PRIVILEGES = 1, 38  # of prctl(2)
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # of landlock(7), on every architecture
_BLOCK_DEVICES, _OTHER_FOLDERS, _SIGNALS = 1 << 11, 1 << 13, 1 << 1
_OTHER_FOLDERS_SINCE, _SIGNALS_SINCE = 2, 6
_COLUMNS = ("caption", "score", "confidence")


def main(folder: str, memory_bytes: int) -> None:
    """Load the model in a folder, then answer requests until there are no more."""
    _limit(memory_bytes)
    stand_apart()
    requests, answer = _streams()
    model = _load(folder)
    answer({"ready": True})
    while head := requests.readline():
        answer(_captions(model, [requests.read(size) for size in json.loads(head)]))


def _limit(memory_bytes: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if memory_bytes and (hard == resource.RLIM_INFINITY or memory_bytes < hard):
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def stand_apart() -> bool:
    """Enter a domain of Landlock before there are threads; whether the kernel has one that fits (Linux 5.19).

    From a domain no process outside can be read (`/proc/PID/environ`, `mem`) or traced, whoever's it is, nor be sent a
    signal where the kernel is new enough. Files stay as they are: a ruleset must handle some right, and this allows it.
    """
    libc = ctypes.CDLL(None)
    version = libc.syscall(CREATE_RULESET, None, 0, 1) if sys.platform == "linux" else 0
    if version < _OTHER_FOLDERS_SINCE:  # the first version refuses to move files to other folders
        return False
    rights = _BLOCK_DEVICES | _OTHER_FOLDERS
    parts = (rights, 0, _SIGNALS) if version >= _SIGNALS_SINCE else (rights,)
    attributes = struct.pack(f"={len(parts)}Q", *parts)
    if (rules := libc.syscall(CREATE_RULESET, attributes, len(attributes), 0)) < 0:
        return False
    top = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    try:
        everywhere = struct.pack("=Qi", rights, top)
        libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        return not (libc.syscall(ADD_RULE, rules, 1, everywhere, 0) or libc.syscall(RESTRICT_SELF, rules, 0))
    finally:
        os.close(top)
        os.close(rules)


def _streams() -> tuple[BinaryIO, Callable[[Any], None]]:
    """Take the pipes away, so that what the model prints goes to standard error and reads nothing."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)

    def answer(message: Any) -> None:
        answers.write(json.dumps(message).encode() + b"\n")
        answers.flush()

    return requests, answer


def _load(folder: str) -> Any:
    import mlflow.pyfunc
    import pandas  # noqa: F401 - it takes its time, which is no batch's

    return mlflow.pyfunc.load_model(folder)


def _captions(model: Any, images: list[bytes]) -> dict[str, Any]:
    import pandas as pd

    try:
        return {"answers": _records(_in_order(model.predict(pd.DataFrame({"image": images})), images))}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:2000]}


def _in_order(answer: Any, images: list[bytes]) -> Any:
    """A table's rows in the order of the images, by their column `image` if it has one, else by their index."""
    if not hasattr(answer, "iloc") or len(answer) != len(images):
        return answer
    given: list[Any] = list(answer.index)
    wanted: list[Any] = list(range(len(images)))
    if "image" in getattr(answer, "columns", ()):
        given, wanted = list(answer["image"]), images
    if given == wanted:
        return answer
    places: dict[Any, list[int]] = {}
    for place, key in enumerate(given):
        places.setdefault(key, []).append(place)
    found = [places[key].pop(0) for key in wanted if places.get(key)]
    if len(found) != len(wanted):
        raise ValueError(
            "the rows of its table cannot be told apart: their index is neither that of the images nor 0, 1, .."
        )
    return answer.iloc[found]


def _records(answer: Any) -> list[dict[str, Any]]:
    """A table's rows, a list of records, or a list of captions alone."""
    rows = answer.to_dict("records") if hasattr(answer, "columns") else list(answer)
    named = [row if isinstance(row, dict) else {"caption": row} for row in rows]
    return [{name: _plain(row.get(name)) for name in _COLUMNS} for row in named]


def _plain(value: Any) -> Any:
    """As JSON has it; not a number becomes null."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float) else str(type(value))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
