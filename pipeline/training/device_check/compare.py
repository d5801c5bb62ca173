"""Whether what a device did in training is what the CPU does: figures in, reasons out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LEARNT = 0.5  # of the first loss; steps that learn nothing are alike on any device


@dataclass(frozen=True)
class Trial:
    """Some steps on one device.

    Attributes:
        name: what the findings call it.
        gpu: whether it sees GPUs, and must use one.
        precision: a Keras dtype policy.
        tolerance: how far a loss may be from the CPU's, as a share of that.
    """

    name: str
    gpu: bool
    precision: str
    tolerance: float


@dataclass(frozen=True)
class Distance:
    """Where two trainings are farthest apart.

    Attributes:
        share: the difference of their losses as a share of the first one's; infinite where one is no number.
        step: counted from 0.
    """

    share: float
    step: int


def distance(reference: Sequence[float | None], losses: Sequence[float | None]) -> Distance:
    """The largest difference of two trainings' losses, step by step."""
    shares = [_share(*pair) for pair in zip(reference, losses, strict=True)]
    return max((Distance(share, step) for step, share in enumerate(shares)), key=lambda found: found.share)


def device_shortfalls(trial: Trial, reference: Mapping[str, Any], told: Mapping[str, Any]) -> list[str]:
    """Why a trial does not show that its device trains as the CPU does; empty when it does.

    Args:
        trial: what was tried.
        reference: what the CPU told in float32; see `take_steps`.
        told: what this device told, or `error`, why it did not come to an end.
    """
    if "error" in told:
        return [f"{trial.name} {told['error']}"]
    found = _unused(trial, told) if trial.gpu else []
    farthest = distance(reference["losses"], told["losses"])
    if farthest.share > trial.tolerance:
        was, now = (losses[farthest.step] for losses in (reference["losses"], told["losses"]))
        found.append(
            f"{trial.name}: the loss of step {farthest.step} is {now}, on the CPU {was}: off by "
            f"{farthest.share:.2g}, above {trial.tolerance:g}"
        )
    return found


def learns(reference: Mapping[str, Any]) -> list[str]:
    """Why the CPU's steps are nothing to compare with; empty when they are."""
    if "error" in reference:
        return [f"the CPU {reference['error']}"]
    first, *_, last = reference["losses"]
    if first is None or last is None or not last < LEARNT * first:
        return [f"the CPU learns nothing either: its loss went from {first} to {last}"]
    return []


def _unused(trial: Trial, told: Mapping[str, Any]) -> list[str]:
    found = []
    if told["weights_on"] != ["GPU"]:
        found.append(f"{trial.name}: the weights lay on {', '.join(told['weights_on'])}, not on a GPU")
    if not told["cudnn"] or told["loops"]:
        found.append(
            f"{trial.name}: the GRU does not run in cuDNN: the step's graph has {sum(told['cudnn'].values())} of its "
            f"operations and {told['loops']} loops"
        )
    return found


def _share(reference: float | None, loss: float | None) -> float:
    return float("inf") if reference is None or loss is None else abs(loss - reference) / abs(reference)
