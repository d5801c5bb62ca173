"""Infrastructure validation (TFX's term): a version on trial in a clean process, which this module also is."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.core.environment import Home
from pipeline.core.errors import NightcapError, PromotionRefused, Retryable
from pipeline.core.settings import GateSettings
from pipeline.core.subprocesses import last_json, module_environment, run_module
from pipeline.model.captioner import CAPTION_BATCH
from pipeline.model.external.package import ExternalModel
from pipeline.model.golden import golden_images, reproduce
from pipeline.model.interface import Captioner, PinnedModel
from pipeline.registry.cache import cached
from pipeline.registry.loading import load_pinned
from pipeline.registry.versions import Registry

KILLED: Mapping[int, str] = {  # by others: no fault of the version
    signal.SIGKILL: "was killed (signal 9), most likely for lack of memory",
    signal.SIGTERM: "was told to end (signal 15)",
}


def try_version(home: Home, uri: str, budget: GateSettings) -> dict[str, float]:
    """Load a registered version and caption with it, in a new process with an empty cache.

    Returns:
        `golden`, captions reproduced; `images`, of the sample; `load_s`; `seconds_per_image`; `memory_gib`, the peak.

    Raises:
        PromotionRefused: it does not load, gives other captions, or takes longer or more memory than `budget` allows.
        Retryable: the registry or a disk does not answer, or the process was killed.
    """
    Registry(home).resolve(uri)  # a mistaken address is no fault of a version
    with tempfile.TemporaryDirectory(prefix="nightcap-trial-") as scratch:
        result = _run(home, uri, budget, scratch)
    if "error" in result:
        if result["retryable"]:
            raise Retryable(result["error"])
        raise PromotionRefused(f"{uri} on trial in a process of its own: {result['error']}")
    check_budget(uri, result, budget)
    return result


def _run(home: Home, uri: str, budget: GateSettings, scratch: str) -> dict[str, Any]:
    environment = module_environment(
        credentials=True,
        NIGHTCAP_HOME=scratch,  # an empty cache
        NIGHTCAP_STORE=str(home.store),
        NIGHTCAP_PROMOTIONS=home.promotions,
        MLFLOW_TRACKING_URI=home.tracking_uri,
    )
    module, timeout_s = "pipeline.registry.infra_validation", budget.trial_timeout_s
    try:
        return run_module(module, uri, budget.sample_images, env=environment, timeout_s=timeout_s, folder=scratch)
    except subprocess.TimeoutExpired as error:
        raise PromotionRefused(
            f"{uri} on trial did not caption {budget.sample_images} images in {budget.trial_timeout_s} s; "
            "is the machine busy? Raise gate.trial_timeout_s if not the model is at fault"
        ) from error
    except subprocess.CalledProcessError as error:
        with suppress(IndexError, TypeError, ValueError):  # it may have answered before it was struck
            answer = last_json(error.stdout or "")
            if "error" in answer and (answer["retryable"] or -error.returncode not in KILLED):
                return answer
        if killed := KILLED.get(-error.returncode):
            raise Retryable(f"{uri} on trial {killed}; the version is not at fault: try again") from error
        reason = f"ended with {error.returncode}: {error.stderr.strip()[-500:]}"
        raise PromotionRefused(f"{uri} on trial in a process of its own: {reason}") from error


def check_budget(uri: str, measured: Mapping[str, float], budget: GateSettings) -> None:
    """Raise PromotionRefused if a trial took more seconds or memory than it may."""
    limits = {"seconds_per_image": budget.max_seconds_per_image, "memory_gib": budget.max_memory_gib}
    for name, limit in limits.items():
        if measured[name] > limit:
            raise PromotionRefused(f"{uri} on trial: {name} is {measured[name]:.3g}, above gate.max_{name}={limit:g}")


def _trial(home: Home, uri: str, count: int) -> dict[str, float]:
    started = time.monotonic()
    pinned = Registry(home).resolve(uri)
    captioner = load_pinned(home, pinned)
    golden, reproduced = _golden(home, pinned, captioner)
    loaded = time.monotonic()
    images = _sample(golden, count)
    for start in range(0, count, CAPTION_BATCH):
        captioner.caption(images[start : start + CAPTION_BATCH])
    return {
        "golden": reproduced,
        "images": count,
        "load_s": round(loaded - started, 3),
        "seconds_per_image": round((time.monotonic() - loaded) / count, 4),
        "memory_gib": round(_peak_bytes() / 2**30, 3),
    }


def _golden(home: Home, pinned: PinnedModel, captioner: Captioner) -> tuple[list[npt.NDArray[np.uint8]], int]:
    """The golden images and the number of reproduced captions; an external captioner has none, and sees plain grey."""
    bundle = cached(home, pinned)
    if isinstance(bundle, ExternalModel):
        return [np.full((captioner.side, captioner.side, 3), 128, np.uint8)], 0
    return list(golden_images(bundle).values()), reproduce(bundle, captioner)


def _sample(golden: list[npt.NDArray[np.uint8]], count: int) -> npt.NDArray[np.uint8]:
    """Images uint8 [count, side, side, 3]: the golden ones turned and mirrored, and every fourth plain noise."""
    random = np.random.default_rng(0)
    turned = (np.rot90(golden[n % len(golden)], n // 2)[:, :: 1 - 2 * (n % 2)] for n in range(count))
    noisy = (random.integers(0, 256, golden[0].shape, np.uint8) if n % 4 == 3 else p for n, p in enumerate(turned))
    return np.stack(list(noisy))


def _peak_bytes() -> int:
    """The peak memory of this process; `ru_maxrss` on Linux begins with that of the parent."""
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main(uri: str, count: str) -> None:
    """Try a version and print the measurements, or the error."""
    try:
        result: dict[str, Any] = _trial(Home.from_environment(), uri, int(count))
    except NightcapError as error:
        result = {"error": str(error), "retryable": isinstance(error, Retryable)}
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
