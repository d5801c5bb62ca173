"""How often the gate promotes a version that is better by so many points, or not at all.

    python -m benchmarks.gate_power [--scores FILE.json --challenger NAME --champion NAME]

FILE holds a list a model, CIDEr-D in thousandths image by image, as `tests/faults/per_image_cider_d.json` does. By
chance: the differences of the two models with random signs, 2,000 times. Power: the differences centred, plus so many
points, images drawn anew, 500 times. Both are of one comparison at 95%. Attempts: versions that are as good as one
champion, compared with it one after the other, 500 times; the share of champions that one of the first so many replaces,
by 95% each (`each_alone`) and as the gate decides (`together`); and `power` of attempts that are 3 points better. Prints
shares as JSON.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.core.settings import GateSettings
from pipeline.metrics.bootstrap import resampled_means
from pipeline.release.gate.superiority import confidence_of, resamples_for
from pipeline.storage.files import read_json

Differences = npt.NDArray[np.float64]

SCORES = Path(__file__).parents[1] / "tests/faults/per_image_cider_d.json"
RESAMPLES, QUANTILE = 2000, 0.05
TOGETHER = 100  # comparisons that share their resamples
POINT = 0.01
POINTS = range(8)
ATTEMPTS = (1, 2, 3, 5, 10, 20, 50)


def main() -> None:
    """Print the share of comparisons that are decided for the challenger."""
    arguments = _arguments()
    scores = read_json(arguments.scores)
    differences = (np.array(scores[arguments.challenger]) - np.array(scores[arguments.champion])) / 1000
    report = {
        "images": len(differences),
        "sd_points": round(float(differences.std()) / POINT, 1),
        "chance": by_chance(differences),
    }
    report |= {"power": {points: power(differences, points) for points in POINTS}}
    print(json.dumps(report | {"attempts": attempts(differences)}))


def by_chance(differences: Differences) -> float:
    """Of 2,000 comparisons without a difference, the share that is promoted."""
    return _promoted(lambda random: random.choice([-1.0, 1.0], (len(differences), TOGETHER)) * differences[:, None], 20)


def power(differences: Differences, points: int) -> float:
    """Of 500 comparisons with a true difference, the share that is promoted."""
    moved = differences - differences.mean() + points * POINT
    return _promoted(lambda random: random.choice(moved, (len(moved), TOGETHER)), 5)


def attempts(differences: Differences, champions: int = 500) -> dict[str, dict[int, float]]:
    """Shares of equal champions replaced within so many attempts, and the power of one attempt of that number."""
    random, settings = np.random.default_rng(24), GateSettings()
    own = random.choice([-1.0, 1.0], (len(differences), champions)) * differences[:, None] / np.sqrt(2)
    better = differences - differences.mean() + 3 * POINT
    replaced = {"each_alone": np.zeros(champions, bool), "together": np.zeros(champions, bool)}
    shares: dict[str, dict[int, float]] = {"each_alone": {}, "together": {}, "power": {}}
    for attempt in range(1, ATTEMPTS[-1] + 1):
        other = random.choice([-1.0, 1.0], own.shape) * differences[:, None] / np.sqrt(2)
        moved = random.choice(better, own.shape)
        confidence = confidence_of(settings, attempt)
        means = resampled_means(np.hstack([other - own, moved]), resamples_for(settings, confidence), attempt)
        lower, alone = np.quantile(means, [1 - confidence, QUANTILE], axis=0)
        replaced["together"] |= lower[:champions] > 0
        replaced["each_alone"] |= alone[:champions] > 0
        if attempt in ATTEMPTS:
            shares["power"][attempt] = float((lower[champions:] > 0).mean())
            for name, found in replaced.items():
                shares[name][attempt] = float(found.mean())
    return shares


def _promoted(draw: Callable[[np.random.Generator], Differences], blocks: int) -> float:
    random = np.random.default_rng(25)
    lower = [np.quantile(resampled_means(draw(random), RESAMPLES, seed), QUANTILE, axis=0) for seed in range(blocks)]
    return float((np.stack(lower) > 0).mean())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scores", type=Path, default=SCORES)
    parser.add_argument("--challenger", default="refined")
    parser.add_argument("--champion", default="first_stage")
    return parser.parse_args()


if __name__ == "__main__":
    main()
