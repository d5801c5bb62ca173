"""What the processor can do, and what TensorFlow is told of it before it is imported."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import Final

ONEDNN: Final = "TF_ENABLE_ONEDNN_OPTS"
_CPUINFO = Path("/proc/cpuinfo")
_NOTABLE: Final = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")


def processor_flags(cpuinfo: Path = _CPUINFO) -> tuple[str, ...]:
    """Which of the instruction sets that matter here the processor has; none where the system does not tell."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    flags = next((set(line.partition(":")[2].split()) for line in lines if line.startswith("flags")), set())
    return tuple(flag for flag in _NOTABLE if flag in flags)


def prefer_onednn(environ: MutableMapping[str, str] = os.environ, flags: tuple[str, ...] | None = None) -> None:
    """Have TensorFlow compute with oneDNN where the processor has AVX2, unless the environment says otherwise.

    TensorFlow reads the variable when it is imported, and by itself leaves oneDNN off on processors without AVX-512.
    """
    if ONEDNN not in environ and {"avx2", "fma"} <= set(processor_flags() if flags is None else flags):
        environ[ONEDNN] = "1"
