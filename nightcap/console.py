"""What a person sees: progress on a terminal, plain lines elsewhere; results on standard output."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

console = Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def working(title: str) -> Iterator[None]:
    """Show a spinner with the latest log line while something runs; quiet when not a terminal."""
    if not console.is_terminal:
        yield
        return
    handler = _Latest(title)
    ours = logging.getLogger("pipeline")
    before = ours.level
    with console.status(title) as status:
        handler.update = status.update
        ours.addHandler(handler)
        ours.setLevel(logging.INFO)
        ours.propagate = False
        try:
            yield
        finally:
            ours.removeHandler(handler)
            ours.setLevel(before)
            ours.propagate = True


class _Latest(logging.Handler):
    """Puts the latest line beside the spinner, warnings above it."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self.title = title
        self.update: Callable[[str], None] = lambda text: None

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            console.print(record.getMessage(), style="yellow")
        else:
            self.update(f"{self.title}: {record.getMessage()}")
