"""The real Compose and `make env` over a copy of what they read."""

import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
COMPOSE = Path(sys.executable).with_name("docker-compose")
# Which account each service of the profile `tools` has, and whether it may write the captions (None: it has none); PostgreSQL's have no account.
TOOLS = {
    "backup-captions": ("nights", False),
    "backup-databases": None,
    "backup": ("nights", False),
    "restore-check": ("owner", False),
    "restore-databases": None,
    "restore": ("owner", True),
    "move": ("training", True),
    "forget": ("training", True),
    "correct": ("nights", True),
    "upgrade-volumes": None,
    "upload": ("pictures", None),
    "upgrade-mlflow": None,
}


def run(checkout, *command, **environment):
    environment = {"HOME": str(checkout), "PATH": "/usr/bin:/bin", **environment}
    return subprocess.run(command, check=False, cwd=checkout, env=environment, capture_output=True, text=True)


def make_env(checkout):
    return run(checkout, sys.executable, "infra/make_env.py")


def compose(checkout, *arguments, **environment):
    return run(checkout, COMPOSE, *arguments, **environment)
