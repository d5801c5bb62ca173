"""An output in a real store."""

from dataclasses import replace

import pytest


@pytest.fixture
def in_s3(world, s3):
    """A home that may write under an address in a real store."""
    _, uri = s3
    world.home = replace(world.home, roots=(uri,))
    return f"{uri}/out"
