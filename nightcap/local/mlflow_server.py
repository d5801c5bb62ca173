"""`python -m nightcap.local.mlflow_server ARTIFACTS PORT`: MLflow's server on loopback.

MLflow reads the database's address, which may hold a password, from MLFLOW_BACKEND_STORE_URI.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pipeline.registry.sqlite import create_database


def main(artifacts: str, port: str) -> None:
    """Serve until stopped, behind a login if MLFLOW_AUTH_CONFIG_PATH names its settings."""
    create_database(os.environ["MLFLOW_BACKEND_STORE_URI"], Path(artifacts))
    from mlflow.cli import cli

    options = ["--host", "127.0.0.1", "--port", port, "--workers", "1"]
    if os.environ.get("MLFLOW_AUTH_CONFIG_PATH"):
        options += ["--app-name", "basic-auth"]
    # Without artifact serving, registered models still load when this server is gone.
    cli(["server", *options, "--no-serve-artifacts", "--default-artifact-root", Path(artifacts).as_uri()])


if __name__ == "__main__":
    main(*sys.argv[1:])
