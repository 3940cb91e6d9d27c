"""Intervals against SciPy, statsmodels and worked examples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from kerasexp.evaluation import statistics


@pytest.mark.parametrize(
    ("successes", "n"), [(8872, 10_000), (0, 7), (7, 7), (1, 1), (0, 1), (3, 50), (59_999, 60_000)]
)
def test_wilson_is_scipys(successes: int, n: int) -> None:
    expected = stats.binomtest(successes, n).proportion_ci(0.95, method="wilson")
    assert statistics.wilson(successes, n) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert statistics.wilson(successes, n, 0.8) == pytest.approx(
        proportion_confint(successes, n, alpha=0.2, method="wilson"), abs=1e-12
    )


def test_wilson_holds_its_value_and_knows_nothing_of_no_images() -> None:
    for n in range(1, 60):
        assert statistics.wilson(0, n)[0] == 0.0
        assert statistics.wilson(n, n)[1] == 1.0
    assert statistics.wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("a", "n", "b", "m", "expected"),
    [
        # Newcombe 1998, table II, method 10
        (56, 70, 48, 80, (0.0524, 0.3339)),
        (9, 10, 3, 10, (0.1705, 0.8090)),
        (10, 10, 0, 10, (0.6075, 1.0000)),
        (0, 10, 0, 10, (-0.2775, 0.2775)),
    ],
)
def test_newcombe_is_the_published_table(a: int, n: int, b: int, m: int, expected: tuple[float, float]) -> None:
    assert statistics.newcombe(a, n, b, m) == pytest.approx(expected, abs=5e-5)


def test_newcombe_is_statsmodels() -> None:
    expected = confint_proportions_2indep(8872, 10_000, 8901, 10_000, method="newcomb", compare="diff")
    assert statistics.newcombe(8872, 10_000, 8901, 10_000) == pytest.approx(expected, abs=1e-12)


def test_prediction_interval_worked_by_hand() -> None:
    # mean 0.90, s = 0.01, t(0.975, 2) = 4.30265: h = 4.30265 * 0.01 * sqrt(4/3) = 0.049683
    assert statistics.prediction_interval([0.89, 0.90, 0.91]) == pytest.approx((0.850317, 0.949683), abs=1e-6)


def test_prediction_interval_covers_the_next_run() -> None:
    runs = np.random.default_rng(3).normal(0.9, 0.01, size=(4000, 4))
    covered = 0
    for *seeds, following in runs:
        low, high = statistics.prediction_interval(seeds)
        covered += low <= following <= high
    assert covered / 4000 == pytest.approx(0.95, abs=0.012)


def test_resampled_counts_are_those_of_resampled_images() -> None:
    confusion = np.array([[40, 10, 0], [5, 30, 5], [0, 2, 8]])
    hits, support, predicted = statistics.resampled_counts(confusion, seed=1, resamples=4000)
    assert hits.shape == (4000, 3)
    np.testing.assert_array_equal(support.sum(axis=1), 100)
    np.testing.assert_array_equal(predicted.sum(axis=1), 100)
    assert (hits <= np.minimum(support, predicted)).all()
    # one class's images are binomial
    assert support.mean(axis=0) == pytest.approx([50, 40, 10], abs=0.3)
    assert support.std(axis=0) == pytest.approx([5.0, np.sqrt(24), 3.0], rel=0.05)
    again = statistics.resampled_counts(confusion, seed=1, resamples=4000)
    np.testing.assert_array_equal(hits, again[0])
    assert (statistics.resampled_counts(confusion, seed=2, resamples=4000)[0] != hits).any()


def test_bootstrap_of_an_accuracy_is_scipys() -> None:
    right = np.repeat([1.0, 0.0], [887, 113])
    expected = stats.bootstrap((right,), np.mean, method="percentile", n_resamples=4000, rng=0).confidence_interval
    hits, _, _ = statistics.resampled_counts(np.array([[500, 57], [56, 387]]), resamples=4000)
    assert statistics.percentile_interval(hits.sum(axis=1) / 1000) == pytest.approx(expected, abs=2.5e-3)
