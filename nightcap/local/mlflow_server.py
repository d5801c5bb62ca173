"""`python -m nightcap.local.mlflow_server URI ARTIFACTS PORT`: MLflow's server on loopback."""

from __future__ import annotations

import sys
from pathlib import Path

from pipeline.registry.sqlite import create_database


def main(uri: str, artifacts: str, port: str) -> None:
    """Serve until stopped."""
    create_database(uri, Path(artifacts))
    from mlflow.cli import cli

    options = ["--host", "127.0.0.1", "--port", port, "--workers", "1", "--backend-store-uri", uri]
    # Without artifact serving, registered models still load when this server is gone.
    cli(["server", *options, "--no-serve-artifacts", "--default-artifact-root", Path(artifacts).as_uri()])


if __name__ == "__main__":
    main(*sys.argv[1:])
