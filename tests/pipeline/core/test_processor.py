import subprocess
import sys

import pytest

from pipeline.core.processor import ONEDNN, prefer_onednn, processor_flags
from pipeline.core.subprocesses import module_environment

OLD = ("avx2", "fma")


@pytest.mark.parametrize(
    ("flags", "before", "after"),
    [
        (OLD, None, "1"),
        ((*OLD, "avx512f"), None, "1"),
        (OLD, "0", "0"),
        (OLD, "1", "1"),
        ((), None, None),
        (("avx2",), None, None),
    ],
)
def test_onednn_is_on_where_the_processor_has_avx2_unless_someone_said_otherwise(flags, before, after):
    environ = {} if before is None else {ONEDNN: before}
    prefer_onednn(environ, flags)
    assert environ.get(ONEDNN) == after


def test_flags_are_those_of_the_first_core(tmp_path):
    file = tmp_path / "cpuinfo"
    file.write_text("processor : 0\nflags\t\t: fpu avx avx2 fma avx512_bf16\n\nprocessor : 1\nflags : avx512f\n")
    assert processor_flags(file) == ("avx2", "fma", "avx512_bf16")


@pytest.mark.parametrize("content", [None, "", "Features : neon\n"])
def test_a_system_that_does_not_tell_has_no_flags(tmp_path, content):
    file = tmp_path / "cpuinfo"
    if content is not None:
        file.write_text(content)
    assert processor_flags(file) == ()


@pytest.mark.parametrize(
    "module", ["pipeline.model.network.encoder", "pipeline.training.encoder_stage", "nightcap.cli"]
)
def test_it_is_chosen_before_tensorflow_is_imported(module):
    environment = module_environment()
    environment.pop(ONEDNN, None)
    code = (
        "import os, sys\n"
        "class Hook:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'tensorflow': print(os.environ.get('TF_ENABLE_ONEDNN_OPTS'), flush=True); os._exit(0)\n"
        "sys.meta_path.insert(0, Hook())\n"
        f"import {module}\n"
        "import tensorflow"
    )
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    expected = "1" if {"avx2", "fma"} <= set(processor_flags()) else "None"
    assert told.stdout.strip() == expected
