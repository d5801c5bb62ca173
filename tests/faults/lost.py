"""Places whose disk is not mounted, and what must stop at them."""

import shutil
from pathlib import Path

import pytest

from pipeline.core.errors import ObjectUnavailable


def unmounted(folder):
    """The folder's disk away, and its mount point left."""
    shutil.move(folder, aside := Path(f"{folder}.disk"))
    Path(folder).mkdir()
    return aside


def stops(call, *words):
    with pytest.raises(ObjectUnavailable) as stopped:
        call()
    missing = [word for word in (*words, "mount its disk", "accept_empty") if word not in str(stopped.value)]
    assert not missing, (missing, str(stopped.value))
    return True
