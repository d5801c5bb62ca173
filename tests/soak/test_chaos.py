"""Everything at once, with kills, stops, cut files and a clock that jumps: no promise is broken."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

SOAK = bool(os.environ.get("NIGHTCAP_SOAK"))
ROUNDS = int(os.environ.get("NIGHTCAP_ROUNDS") or 30)
SEED = int(os.environ.get("NIGHTCAP_SEED") or time.time_ns() % 1_000_000)
pytestmark = [
    pytest.mark.skipif(not SOAK, reason="half an hour; `make soak` runs it"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="a C compiler makes the clock that jumps"),
    pytest.mark.timeout(7200),
]


def test_22_rounds_of_everything_at_once(tmp_path):
    library, clock, root = tmp_path / "clock.so", tmp_path / "clock", tmp_path / "home"
    source = Path(__file__).with_name("clock.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    clock.write_bytes(bytes(8))
    root.mkdir()
    print(f"\nNIGHTCAP_SEED={SEED}")
    env = os.environ | {"LD_PRELOAD": str(library), "NIGHTCAP_CHAOS_CLOCK": str(clock)}
    subprocess.run([sys.executable, "-m", "tests.soak.chaos", str(root), str(ROUNDS), str(SEED)], env=env, check=True)
