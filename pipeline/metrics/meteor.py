"""METEOR 1.5 (Denkowski and Lavie, WMT 2014) from the jar of `pycocoevalcap`, if that is installed.

The jar runs once, on files, under a time limit; its own wrapper waits for ever when Java fails.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from pipeline.core.subprocesses import child_environment
from pipeline.metrics.ngrams import TokenSequence

log = logging.getLogger(__name__)

_TIME_LIMIT_S = 600


def meteor(references: Sequence[Sequence[TokenSequence]], captions: Sequence[TokenSequence]) -> float | None:
    """METEOR of a set of tokenised captions, in [0, 1], by the tokenised references of each, at least one.

    None, with the reason in the log, if Java or the jar is missing, fails or takes too long.
    """
    java, jar = shutil.which("java"), find_jar()
    if java is None or jar is None:
        log.info("METEOR left out: %s", "java is not on the PATH" if java is None else "pycocoevalcap is not installed")
        return None
    try:
        return _run([java, "-Xmx2G", "-Dfile.encoding=UTF-8", "-jar", str(jar)], references, captions)
    except subprocess.TimeoutExpired:
        log.warning("METEOR left out: Java took longer than %g s for %d captions", _TIME_LIMIT_S, len(captions))
    except subprocess.CalledProcessError as error:
        log.warning("METEOR left out: Java ended with %d: %s", error.returncode, " ".join(error.stderr.split())[-300:])
    except (OSError, ValueError) as error:
        log.warning("METEOR left out: %s", error)
    return None


def find_jar() -> Path | None:
    """The jar of `pycocoevalcap`, if that is installed."""
    package = find_spec("pycocoevalcap")
    folders = (package and package.submodule_search_locations) or ()
    return next((jar for folder in folders for jar in Path(folder, "meteor").glob("meteor-*.jar")), None)


def _run(jar: list[str], references: Sequence[Sequence[TokenSequence]], captions: Sequence[TokenSequence]) -> float:
    most = max(map(len, references))
    with tempfile.TemporaryDirectory(prefix="nightcap-meteor-") as name:
        test, reference = Path(name, "test"), Path(name, "reference")
        _write_lines(test, captions)
        # The jar needs equally many references for all captions; only the best counts, so repeats are harmless.
        _write_lines(reference, [own[at % len(own)] for own in references for at in range(most)])
        command = [*jar, str(test), str(reference), "-r", str(most), "-l", "en", "-norm", "-q"]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_TIME_LIMIT_S,
            check=True,
            cwd=name,
            env=child_environment(),
        )
    return float(done.stdout)


def _write_lines(path: Path, rows: Sequence[TokenSequence]) -> None:
    path.write_text("".join(" ".join(row) + "\n" for row in rows), encoding="utf-8")
