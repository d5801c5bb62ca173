"""Two processors: what one version says must not depend on which of them a worker has."""

import json
import subprocess
import sys

import numpy as np
import pytest

from pipeline.core.processor import ONEDNN, processor_flags
from pipeline.core.subprocesses import module_environment
from pipeline.model.bundle import FORMAT
from pipeline.model.golden import TOLERANCE
from tests.fixtures.stored_bundles import unpack

ISA = "ONEDNN_MAX_CPU_ISA"
CAPTION = """
import json, sys
import numpy as np
from pathlib import Path
from pipeline.core.environment import Home
from pipeline.registry.loading import load_pinned, pin
home = Home(Path(sys.argv[1]), Path(sys.argv[1]) / "store", "")
captioner = load_pinned(home, pin(home, sys.argv[2]))
pixels = np.random.default_rng(0).integers(0, 256, (24, captioner.side, captioner.side, 3), np.uint8)
pixels[8:] = pixels[8:] // 64 * 16 + np.arange(16, dtype=np.uint8)[:, None, None, None] * 12
given = captioner.caption(pixels)
print(json.dumps([[[item.text, *item.alternatives], item.score, item.confidence] for item in given]))
"""


@pytest.mark.skipif("avx512f" not in processor_flags(), reason="the processor has one instruction set only: no AVX-512")
def test_captions_are_the_same_on_a_processor_with_less(tmp_path):
    bundle = unpack(FORMAT, tmp_path / "bundle")
    answers = []
    for isa in ("AVX2", "DEFAULT"):
        environment = module_environment(**{ISA: isa, ONEDNN: "1"})
        command = [sys.executable, "-c", CAPTION, str(tmp_path), str(bundle)]
        told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        answers.append(json.loads(told.stdout.splitlines()[-1]))
    less, more = answers
    assert [texts for texts, *_ in less] == [texts for texts, *_ in more]
    assert len({tuple(texts) for texts, *_ in more}) > 3
    numbers = [np.array([item[1:] for item in answer]) for answer in answers]
    np.testing.assert_allclose(*numbers, rtol=0, atol=TOLERANCE)
