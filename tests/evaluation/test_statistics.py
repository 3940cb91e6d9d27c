"""Intervals against SciPy, statsmodels and worked examples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score
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


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        # Newcombe 1998 (paired), table II, method 10
        ((12, 2, 36, 0), (0.0569, 0.3404)),
        ((12, 2, 20, 16), (0.0562, 0.3290)),
        # Fagerland, Lydersen and Laake, Statistical Analysis of Contingency Tables (2017), chapter 8
        ((1, 7, 1, 12), (-0.507, -0.026)),
    ],
)
def test_the_paired_interval_is_the_published_one(counts: tuple[int, ...], expected: tuple[float, float]) -> None:
    assert statistics.paired_newcombe(*counts) == pytest.approx(expected, abs=5e-4)


def test_the_paired_interval_turns_with_its_sides_and_never_leaves_its_bounds() -> None:
    low, high = statistics.paired_newcombe(30, 12, 900, 58)
    assert statistics.paired_newcombe(12, 30, 900, 58) == pytest.approx((-high, -low), abs=1e-12)
    # narrower than that of two samples: the runs mostly agree
    assert high - low < 0.75 * np.diff(statistics.newcombe(930, 1000, 912, 1000))[0]
    for counts in [(0, 0, 54, 0), (0, 0, 0, 54), (30, 0, 0, 0), (0, 1, 0, 0)]:
        low, high = statistics.paired_newcombe(*counts)
        assert -1 <= low <= (counts[0] - counts[1]) / sum(counts) <= high <= 1


def test_the_paired_interval_covers() -> None:
    drawn = np.random.default_rng(2).multinomial(800, [0.04, 0.06, 0.85, 0.05], size=1500)
    intervals = np.array([statistics.paired_newcombe(*counts) for counts in drawn.tolist()])
    assert np.mean((intervals[:, 0] <= -0.02) & (intervals[:, 1] >= -0.02)) == pytest.approx(0.95, abs=0.018)


def test_the_mean_over_seeds_is_scipys() -> None:
    values = [0.9513, 0.9578, 0.9587, 0.9579]
    expected = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert statistics.mean_interval(values) == pytest.approx(expected, abs=1e-12)


def test_prediction_interval_worked_by_hand() -> None:
    # mean 0.90, s = 0.01, t(0.975, 2) = 4.30265: h = 4.30265 * 0.01 * sqrt(4/3) = 0.049683
    assert statistics.prediction_interval([0.89, 0.90, 0.91]) == pytest.approx((0.850317, 0.949683), abs=1e-6)
    within = statistics.prediction_interval([0.89, 0.90, 0.91], within=(0.86, 0.9))
    assert within == (0.86, 0.9)


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


def test_bootstrap_of_any_statistic_is_scipys_and_takes_the_weights_of_scikit_learn() -> None:
    random = np.random.default_rng(4)
    true = random.integers(0, 3, 600)
    predicted = np.where(random.random(600) < 0.8, true, random.integers(0, 3, 600))

    def score(weights: np.ndarray, true: np.ndarray, predicted: np.ndarray) -> float:
        return f1_score(true, predicted, average="macro", sample_weight=weights)

    samples = statistics.bootstrap(score, true, predicted, seed=1, resamples=500)
    drawn = random.integers(0, 600, size=(500, 600))
    expected = [f1_score(true[rows], predicted[rows], average="macro") for rows in drawn]
    assert samples.shape == (500,)
    assert samples.mean() == pytest.approx(np.mean(expected), abs=3e-3)
    assert samples.std() == pytest.approx(np.std(expected), rel=0.12)
    np.testing.assert_array_equal(samples, statistics.bootstrap(score, true, predicted, seed=1, resamples=500))


def test_bootstrap_draws_each_image_with_what_both_models_said_of_it() -> None:
    right = np.repeat([1, 0, 1, 0], [800, 100, 60, 40])
    other = np.repeat([1, 0, 0, 1], [800, 100, 60, 40])

    def difference(weights: np.ndarray, right: np.ndarray, other: np.ndarray) -> float:
        return float(np.average(right - other, weights=weights))

    interval = statistics.percentile_interval(statistics.bootstrap(difference, right, other, resamples=4000))
    assert interval == pytest.approx(statistics.paired_newcombe(60, 40, 800, 100), abs=2e-3)
