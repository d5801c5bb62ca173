import numpy as np
import pytest

from pipeline.metrics import bootstrap
from pipeline.metrics.bootstrap import bounds, resampled_means


def test_bounds_are_those_of_the_normal_approximation():
    values = np.random.default_rng(1).normal(0.3, 2.0, 4000)
    found = bounds(values, resamples=4000)
    error = values.std() / np.sqrt(len(values))
    assert found.mean == pytest.approx(values.mean())
    assert found.lower == pytest.approx(values.mean() - 1.645 * error, abs=0.1 * error)
    assert found.upper == pytest.approx(values.mean() + 1.645 * error, abs=0.1 * error)


def test_bounds_are_the_same_in_every_call_and_wider_with_confidence():
    values = np.random.default_rng(2).normal(size=50)
    assert bounds(values) == bounds(values)
    assert bounds(values, confidence=0.99).lower < bounds(values).lower < bounds(values).upper


def test_columns_take_the_same_rows():
    column = np.random.default_rng(3).normal(size=30)
    means = resampled_means(np.stack([column, 2 * column], axis=1), 100)
    assert means.shape == (100, 2)
    assert means[:, 1] == pytest.approx(2 * means[:, 0])


def test_parts_of_the_resamples_make_no_difference_to_their_distribution(monkeypatch):
    values = np.random.default_rng(4).normal(size=(100, 1))
    together = resampled_means(values, 3000)
    monkeypatch.setattr(bootstrap, "_INDICES_PER_BATCH", 12_345)
    parts = resampled_means(values, 3000)
    assert parts.shape == together.shape
    assert parts.std() == pytest.approx(together.std(), rel=0.1)
