"""docker-compose.yml as the real Compose reads it, which needs no engine."""

import json
import shutil

import pytest

from tests.infra.compose_file import CHECKOUT, compose, make_env


@pytest.fixture
def checkout(tmp_path):
    """What compose and make_env.py read, in a folder of their own."""
    for name in ("docker-compose.yml", ".env.example"):
        shutil.copy(CHECKOUT / name, tmp_path / name)
    shutil.copytree(CHECKOUT / "infra", tmp_path / "infra", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.fixture
def whole(checkout):
    """The file as Compose reads it, with every profile."""
    make_env(checkout)
    return json.loads(compose(checkout, "--profile", "*", "config", "--format", "json").stdout)


@pytest.fixture
def services(whole):
    return whole["services"]
