"""`nightcap app`: review captions in a browser."""

from __future__ import annotations

import secrets
import socket
from typing import Annotated

import typer

from nightcap.console import echo
from pipeline.core.environment import Home
from pipeline.core.errors import SettingsError


def command(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on, on this machine alone; 0: any.")
    ] = 8090,
    who: Annotated[str | None, typer.Option(help="Who reviews; default this user.")] = None,
) -> None:
    """Review captions in a browser: search them, accept them, write them anew. Until stopped.

    The address that it prints holds a key, so that nobody else on this machine can open the pages.
    """
    import uvicorn

    from nightcap.corrections_file import name_of_person
    from serving.app.review import Review
    from serving.app.reviewed_images import ReviewedImages
    from serving.app.server import create_app

    home, key = Home.from_environment(), secrets.token_urlsafe(24)
    review = Review(home, name_of_person(who))
    with ReviewedImages(home) as images:
        config = uvicorn.Config(create_app(review, images, key), log_level="warning")
        with _listening(port) as listening:
            echo(f"http://127.0.0.1:{listening.getsockname()[1]}/?key={key}")
            uvicorn.Server(config).run([listening])


def _listening(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise SettingsError(
            f"port {port} of 127.0.0.1 cannot be had: {error.strerror}; name another with --port"
        ) from error
