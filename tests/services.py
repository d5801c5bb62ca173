"""Where PostgreSQL and Redis of this machine are, and who runs them."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

INITDB = max(Path("/usr/lib/postgresql").glob("*/bin/initdb"), default=None)
REDIS = shutil.which("redis-server")
POSTGRES_USER = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
