"""How often the gate promotes a version that is better by so many points, or not at all.

    python -m benchmarks.gate_power [--scores FILE.json --challenger NAME --champion NAME]

FILE holds a list a model, CIDEr-D in thousandths image by image, as `tests/faults/per_image_cider_d.json` does. By
chance: the differences of the two models with random signs, 2,000 times. Power: the differences centred, plus so many
points, images drawn anew, 500 times. Prints shares as JSON.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.metrics.bootstrap import resampled_means
from pipeline.storage.files import read_json

Differences = npt.NDArray[np.float64]

SCORES = Path(__file__).parents[1] / "tests/faults/per_image_cider_d.json"
RESAMPLES, QUANTILE = 2000, 0.05
TOGETHER = 100  # comparisons that share their resamples
POINT = 0.01
POINTS = range(8)


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
    print(json.dumps(report | {"power": {points: power(differences, points) for points in POINTS}}))


def by_chance(differences: Differences) -> float:
    """Of 2,000 comparisons without a difference, the share that is promoted."""
    return _promoted(lambda random: random.choice([-1.0, 1.0], (len(differences), TOGETHER)) * differences[:, None], 20)


def power(differences: Differences, points: int) -> float:
    """Of 500 comparisons with a true difference, the share that is promoted."""
    moved = differences - differences.mean() + points * POINT
    return _promoted(lambda random: random.choice(moved, (len(moved), TOGETHER)), 5)


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
