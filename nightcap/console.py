"""Progress on a terminal and plain lines elsewhere, both on standard error; results are on standard output."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, suppress
from typing import Any

import typer
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner

from pipeline.core.subprocesses import child_environment
from pipeline.core.terminal import escaped, escaped_json
from pipeline.storage.objects.ignored import told

console = Console(stderr=True, highlight=False, soft_wrap=True)

_NOISE = "^(I0000 |WARNING: All log messages before absl::InitializeLog)"


def show(text: str, style: str | None = None) -> None:
    """Print a line on standard error as it is, without markup, after its names and captions are made harmless."""
    console.print(escaped(text), style=style, markup=False)


def echo(text: object) -> None:
    """Print a result on standard output, a line after what it names is made harmless."""
    typer.echo(escaped(str(text)))


def echo_json(value: Any) -> None:
    """Print a line of JSON on standard output, whose odd characters are JSON's escapes."""
    typer.echo(escaped_json(json.dumps(value, ensure_ascii=False)))


def literal(text: str) -> str:
    """A name or caption as a part of what `console` prints with markup."""
    return escape(escaped(text))


@contextmanager
def working(title: str) -> Iterator[Callable[[str], None]]:
    """Show a spinner with the latest log line, or a text that the context is called with; quiet off a terminal."""
    if not console.is_terminal:
        yield lambda text: None
        return
    spinner = Spinner("dots", literal(title), style="status.spinner")
    # Redirected, standard output goes where the spinner is; that is wrong for a file or a pipe.
    with Live(spinner, console=console, transient=True, refresh_per_second=12, redirect_stdout=sys.stdout.isatty()):
        handler = _LatestLine(lambda text: spinner.update(text=literal(f"{title}: {text}")))
        loggers = [logging.getLogger("pipeline"), logging.getLogger("serving")]
        for logger in loggers:
            logger.addHandler(handler)
            logger.setLevel(logging.INFO)
            logger.propagate = False
        try:
            yield handler.show
        finally:
            for logger in loggers:
                logger.removeHandler(handler)
                logger.setLevel(logging.NOTSET)
                logger.propagate = True


def ignored_in_short(reasons: Mapping[str, int]) -> str:
    """How many files a listing ignored, and why."""
    named = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items(), key=lambda item: -item[1]))
    return f"{sum(reasons.values())} ignored{f' ({named})' if named else ''}"


def show_ignored(reasons: Mapping[str, int], examples: Mapping[str, list[str]]) -> None:
    """Print each reason with its meaning and its first files."""
    for line in told(reasons, examples):
        show(line)


def load_tensorflow() -> None:
    """Import TensorFlow without the lines that its parts print while they are loaded, which no setting stops."""
    with suppress(FileNotFoundError), _filtered_stderr():  # without grep the lines are merely not pretty
        import pipeline.model.network  # noqa: F401


@contextmanager
def _filtered_stderr() -> Iterator[None]:
    # The filter is a process of its own, so that other lines survive even a crash.
    with (
        os.fdopen(os.dup(2), "w", buffering=1) as ours,
        redirect_stderr(ours),  # Python's own lines, the spinner among them, go straight
        subprocess.Popen(
            ["grep", "-vE", _NOISE],  # noqa: S607
            stdin=subprocess.PIPE,
            stdout=ours,
            env=child_environment(),
        ) as grep,
    ):
        assert grep.stdin is not None
        os.dup2(grep.stdin.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(ours.fileno(), 2)


class _LatestLine(logging.Handler):
    """Shows the latest line in one place, warnings in lines of their own."""

    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__()
        self.show = show

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            show(record.getMessage(), "yellow")
        else:
            self.show(record.getMessage())
