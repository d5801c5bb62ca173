"""Whether a device trains as the CPU does: figures in, reasons out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LEARNT = 0.5  # of the first loss; steps that learn nothing are alike on any device


@dataclass(frozen=True)
class Trial:
    """Some steps on one device."""

    name: str
    gpu: bool  # whether it sees GPUs, and must use one
    precision: str  # a Keras dtype policy
    tolerance: float  # how far a loss may be from the CPU's, as a share of that


@dataclass(frozen=True)
class Distance:
    """Where two trainings are farthest apart."""

    share: float  # the difference of their losses as a share of the first one's; infinite where one is no number
    step: int  # counted from 0


def distance(reference: Sequence[float | None], losses: Sequence[float | None]) -> Distance:
    """The largest difference of two trainings' losses, step by step."""
    shares = [_share(*pair) for pair in zip(reference, losses, strict=True)]
    return max((Distance(share, step) for step, share in enumerate(shares)), key=lambda distance: distance.share)


def device_shortfalls(trial: Trial, reference: Mapping[str, Any], result: Mapping[str, Any]) -> list[str]:
    """Why a trial's `take_steps` is unlike the reference, that of the CPU in float32; empty when it is alike."""
    if "error" in result:
        return [f"{trial.name} {result['error']}"]
    reasons = _unused(trial, result) if trial.gpu else []
    farthest = distance(reference["losses"], result["losses"])
    if farthest.share > trial.tolerance:
        was, now = (losses[farthest.step] for losses in (reference["losses"], result["losses"]))
        reasons.append(
            f"{trial.name}: the loss of step {farthest.step} is {now}, on the CPU {was}: off by "
            f"{farthest.share:.2g}, above {trial.tolerance:g}"
        )
    return reasons


def learns(reference: Mapping[str, Any]) -> list[str]:
    """Why the CPU's steps are nothing to compare with; empty when they are."""
    if "error" in reference:
        return [f"the CPU {reference['error']}"]
    first, *_, last = reference["losses"]
    if first is None or last is None or not last < LEARNT * first:
        return [f"the CPU learns nothing either: its loss went from {first} to {last}"]
    return []


def _unused(trial: Trial, result: Mapping[str, Any]) -> list[str]:
    reasons = []
    if result["weights_on"] != ["GPU"]:
        reasons.append(f"{trial.name}: the weights lay on {', '.join(result['weights_on'])}, not on a GPU")
    if not result["cudnn"] or result["loops"]:
        reasons.append(
            f"{trial.name}: the GRU does not run in cuDNN: the step's graph has {sum(result['cudnn'].values())} of its "
            f"operations and {result['loops']} loops"
        )
    return reasons


def _share(reference: float | None, loss: float | None) -> float:
    return float("inf") if reference is None or loss is None else abs(loss - reference) / abs(reference)
