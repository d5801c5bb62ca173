import numpy as np
import pytest

from pipeline.evaluation.confidence_fit import Calibration, fit_estimate, held_out_estimates
from pipeline.evaluation.reliability import reliability
from pipeline.evaluation.risk_coverage import rank_correlation


@pytest.fixture(scope="module")
def known():
    """Scores whose mean is the exponential of a known sum."""
    random = np.random.default_rng(3)
    inputs = random.normal([5.0, -1.0, 0.0], [2.0, 0.5, 1.0], (4000, 3))
    truth = np.exp(0.3 * (inputs[:, 0] - 5) / 2 - 0.6 * (inputs[:, 1] + 1) / 0.5 - 0.7)
    return inputs, random.gamma(1.0, truth), truth


def test_the_known_weights_are_recovered(known):
    inputs, scores, truth = known
    fitted = fit_estimate(inputs, scores, np.ones(len(inputs)), 1e-4)
    assert fitted.weights == pytest.approx([0.3, -0.6, 0.0], abs=0.06)
    assert rank_correlation(fitted(inputs), truth) > 0.98


def test_estimates_are_right_on_average(known):
    inputs, scores, _ = known
    for penalty in (0.01, 0.3):
        fitted = fit_estimate(inputs, scores, np.ones(len(inputs)), penalty)
        assert fitted(inputs).mean() == pytest.approx(scores.mean(), rel=1e-6)


def test_a_penalty_shrinks_the_weights(known):
    inputs, scores, _ = known
    sizes = [np.abs(fit_estimate(inputs, scores, np.ones(len(inputs)), p).weights).sum() for p in (0.01, 0.3, 3.0)]
    assert sizes == sorted(sizes, reverse=True)


def test_a_row_that_counts_twice_is_two_rows(known):
    inputs, scores, _ = (part[:200] for part in known)
    twice = fit_estimate(np.repeat(inputs, 2, axis=0), np.repeat(scores, 2), np.ones(400), 0.1)
    weighed = fit_estimate(inputs, scores, np.full(200, 2.0), 0.1)
    assert twice.weights == pytest.approx(weighed.weights)


@pytest.mark.parametrize("scores", [np.zeros(6), np.array([0, 0, 0, 0, 0, 10.0])])
def test_few_rows_and_constant_inputs_are_no_trouble(scores):
    inputs = np.column_stack([np.ones(6), np.arange(6.0)])
    fitted = fit_estimate(inputs, scores, np.ones(6), 0.1)
    assert np.isfinite(fitted(inputs)).all()
    assert fitted.weights[0] == 0


def test_a_held_out_estimate_does_not_know_its_own_scores(known):
    inputs, scores, _ = (part[:300].copy() for part in known)
    folds = np.arange(300) % 5
    before = held_out_estimates(inputs, scores, np.ones(300), 0.1, folds)
    scores[folds == 2] = 9.0
    after = held_out_estimates(inputs, scores, np.ones(300), 0.1, folds)
    assert np.array_equal(before[folds == 2], after[folds == 2])
    assert not np.array_equal(before[folds == 1], after[folds == 1])


def test_one_fold_alone_is_estimated_by_itself(known):
    inputs, scores, _ = (part[:50] for part in known)
    fitted = fit_estimate(inputs, scores, np.ones(50), 0.1)
    assert held_out_estimates(inputs, scores, np.ones(50), 0.1, np.zeros(50, int)) == pytest.approx(fitted(inputs))


@pytest.fixture(scope="module")
def damaged():
    """As on the scenes: one input tells damage from the rest and hardly one whole image from another."""
    random = np.random.default_rng(24)
    is_clean = np.arange(1200) < 600
    quality = np.where(is_clean, random.normal(0, 0.3, 1200), random.normal(-2, 0.8, 1200))
    truth = np.where(is_clean, 4.7 + 0.5 * quality, 4.7 * np.exp(quality.clip(None, 0)))
    inputs = np.column_stack([quality, random.normal(0, 1, 1200)])
    return inputs, np.maximum(truth + random.normal(0, 0.6, 1200), 0), is_clean


def test_damage_teaches_the_order_and_whole_images_the_number(damaged):
    inputs, scores, is_clean = damaged
    weights, folds = np.ones(len(inputs)), np.arange(len(inputs)) % 5
    fitted = fit_estimate(inputs, scores, weights, 0.03)
    held_out = held_out_estimates(inputs, scores, weights, 0.03, folds)[is_clean]
    right = Calibration.of(held_out, scores[is_clean], 0.03).applied_to(fitted)
    before, after = (reliability(each(inputs[is_clean]), scores[is_clean]) for each in (fitted, right))
    assert before["slope"] < 0.5
    assert 0.85 < after["slope"] < 1.2
    assert after["error"] < before["error"] / 3
    assert right(inputs[is_clean]).mean() == pytest.approx(scores[is_clean].mean(), rel=0.02)
    assert np.array_equal(np.argsort(right(inputs)), np.argsort(fitted(inputs)))


def test_calibrated_estimates_are_those_of_the_calibrated_model(damaged):
    inputs, scores, is_clean = damaged
    fitted = fit_estimate(inputs, scores, np.ones(len(inputs)), 0.03)
    calibration = Calibration.of(fitted(inputs)[is_clean], scores[is_clean], 0.03)
    assert calibration.applied_to(fitted)(inputs) == pytest.approx(calibration(fitted(inputs)))


@pytest.mark.parametrize("scores", [np.zeros(30), np.ones(30), np.linspace(3, 1, 30)])
def test_calibration_never_turns_the_order_round(scores):
    held_out = np.linspace(0.2, 2, 30)
    found = Calibration.of(held_out, scores, 0.03)
    assert (np.diff(found(held_out)) > 0).all()
    assert found(held_out).mean() == pytest.approx(scores.mean(), abs=1e-6)
