"""Fitting the estimate of a caption's CIDEr-D: Poisson regression with a ridge penalty, then calibration."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.model.confidence import Estimate, Reals, standardised

ITERATIONS: Final = 30
FOLDS: Final = 5
LEAST_SLOPE: Final = 0.05  # keeps the order of captions where their scores show none
_TINY: Final = 1e-9


def fit_estimate(inputs: Reals, scores: Reals, weights: Reals, penalty: float) -> Estimate:
    """The log-linear model of highest penalised quasi-likelihood (Nelder and Wedderburn, 1972).

    Only the mean need be right for that, and the estimate is above 0 by construction. Of [n, inputs] and scores [n],
    not negative, each counts its weight [n]; the penalty on the squared weights is a share of the data's information.
    """
    total, mean = weights.sum(), float(weights @ scores / weights.sum()) + _TINY
    means = weights @ inputs / total
    deviations = np.sqrt(weights @ (inputs - means) ** 2 / total) + _TINY
    rows = np.column_stack([standardised(inputs, means, deviations), np.ones(len(inputs))])
    ridge = penalty * total * mean * np.diag([1.0] * inputs.shape[1] + [0.0])
    coefficients = np.append(np.zeros(inputs.shape[1]), np.log(mean))
    for _ in range(ITERATIONS):
        expected = weights * np.exp((rows @ coefficients).clip(-20, 20))
        information = (rows * expected[:, None]).T @ rows + ridge
        step = np.linalg.solve(information, rows.T @ (weights * scores - expected) - ridge @ coefficients)
        coefficients = coefficients + step.clip(-1, 1)
    return Estimate(means, deviations, coefficients[:-1], float(coefficients[-1]))


def held_out_estimates(
    inputs: Reals, scores: Reals, weights: Reals, penalty: float, folds: npt.NDArray[np.int64]
) -> Reals:
    """Every row's estimate by a model that was fitted without its fold."""
    estimates = np.zeros(len(inputs))
    for fold in np.unique(folds):
        rest = folds != fold
        if not rest.any():
            rest = ~rest
        fitted = fit_estimate(inputs[rest], scores[rest], weights[rest], penalty)
        estimates[folds == fold] = fitted(inputs[folds == fold])
    return estimates


@dataclass(frozen=True)
class Calibration:
    """A power and a factor that make estimates right on average at every height (slope and intercept of Cox, 1958)."""

    slope: float  # on the log scale, above 0, so that captions keep their order
    intercept: float  # likewise

    @classmethod
    def of(cls, held_out: Reals, scores: Reals, penalty: float) -> Calibration:
        """Fit to held-out estimates [n], above 0, and scores [n]; the mean estimate of these is their mean score."""
        fitted = fit_estimate(np.log(held_out)[:, None], scores, np.ones(len(scores)), penalty)
        slope = max(float(fitted.weights[0] / fitted.deviations[0]), LEAST_SLOPE)
        return cls(slope, float(np.log((scores.mean() + _TINY) / (held_out**slope).mean())))

    def __call__(self, estimates: Reals) -> Reals:
        """Estimates, calibrated."""
        return np.exp(self.slope * np.log(estimates) + self.intercept)

    def applied_to(self, estimate: Estimate) -> Estimate:
        """The model whose estimates are those of `estimate`, calibrated."""
        return replace(
            estimate, weights=self.slope * estimate.weights, bias=self.slope * estimate.bias + self.intercept
        )
