"""A page's answer: a template of this folder, filled."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from fastapi.responses import HTMLResponse

from pipeline.core.pages.templates import render

FOLDER: Final = Path(__file__).parent


def page(name: str, status: int = 200, **values: Any) -> HTMLResponse:
    """The page of a template."""
    return HTMLResponse(render(FOLDER / name, **values), status)
