"""`nightcap exporter`: metrics of the installation for Prometheus."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.core.environment import Home


def command(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 9808,
) -> None:
    """Serve metrics of the registry, the champion and the disks to Prometheus, until stopped."""
    from serving.monitoring.exporter import export_until_stopped

    export_until_stopped(Home.from_environment(), host, port)
