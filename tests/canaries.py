"""Credentials that nothing may keep or show, and an ear for who repeats them."""

import io
import logging
from contextlib import contextmanager

import pytest

CANARY = "c4n4ry-5ecret"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": f"id-{CANARY}",
    "AWS_SECRET_ACCESS_KEY": f"key-{CANARY}",
    "AWS_SESSION_TOKEN": f"token-{CANARY}",
    "MLFLOW_TRACKING_PASSWORD": f"password-{CANARY}",
    "MLFLOW_TRACKING_TOKEN": f"bearer-{CANARY}",
}


@contextmanager
def carried():
    """This process and those that it starts have the credentials."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        yield


@contextmanager
def listening():
    """All that is logged, to the last detail, by our code and by libraries."""
    told = io.StringIO()
    handler = logging.StreamHandler(told)
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield told
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def holding(folder, secret=CANARY):
    """The files under a folder that hold a secret."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    try:
        return [path for path in files if secret.encode() in path.read_bytes()]
    except FileNotFoundError:  # a database has taken in its log meanwhile, so it is to be read again
        return holding(folder, secret)
