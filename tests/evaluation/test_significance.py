"""Tests and sizes against SciPy, statsmodels, worked examples and simulations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestIndPower

from kerasexp.evaluation import significance


@pytest.mark.parametrize(("only_first", "only_second"), [(0, 0), (1, 0), (5, 5), (7, 1), (120, 86), (3000, 2871)])
def test_mcnemar_is_statsmodels_and_scipys_binomial_test(only_first: int, only_second: int) -> None:
    p = significance.exact_mcnemar(only_first, only_second)
    assert p == pytest.approx(mcnemar([[10, only_first], [only_second, 10]], exact=True).pvalue, rel=1e-9)
    if only_first + only_second:
        assert p == pytest.approx(stats.binomtest(only_first, only_first + only_second).pvalue, rel=1e-9)
    assert p == significance.exact_mcnemar(only_second, only_first)


def test_holm_is_statsmodels() -> None:
    p_values = np.random.default_rng(1).uniform(0, 0.1, 12).tolist()
    p_values[3] = p_values[7]  # a tie
    expected = multipletests(p_values, method="holm")[1]
    assert significance.holm(p_values) == pytest.approx(expected, abs=1e-15)
    assert significance.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert significance.holm([]) == []


def test_several_seeds_on_both_sides_are_scipys_welch_test() -> None:
    first, second = [0.951, 0.957, 0.949], [0.941, 0.944, 0.947, 0.930]
    half, p = significance.difference_over_seeds(first, second)
    expected = stats.ttest_ind(first, second, equal_var=False)
    interval = expected.confidence_interval(0.95)
    assert p == pytest.approx(expected.pvalue, abs=1e-12)
    assert half == pytest.approx((interval.high - interval.low) / 2, abs=1e-12)
    half, _ = significance.difference_over_seeds(first, second, 0.8)
    interval = expected.confidence_interval(0.8)
    assert half == pytest.approx((interval.high - interval.low) / 2, abs=1e-12)


def test_a_run_beside_several_seeds_is_one_more_of_them() -> None:
    # mean 0.90, s = 0.01, t(0.975, 2) = 4.30265: half = 4.30265 * 0.01 * sqrt(4/3) = 0.049683
    half, p = significance.difference_over_seeds([0.89, 0.90, 0.91], [0.949683])
    assert half == pytest.approx(0.049683, abs=1e-6)
    assert p == pytest.approx(0.05, abs=1e-5)
    assert significance.difference_over_seeds([0.949683], [0.89, 0.90, 0.91]) == pytest.approx((half, p))


def test_seeds_that_change_nothing_leave_no_doubt() -> None:
    assert significance.difference_over_seeds([0.92, 0.92], [0.92, 0.92]) == (0.0, 1.0)
    assert significance.difference_over_seeds([0.92, 0.92], [0.93, 0.93]) == (0.0, 0.0)
    assert significance.difference_over_seeds([0.92, 0.92], [0.93]) == (0.0, 0.0)
    with pytest.raises(ValueError, match="two or more"):
        significance.difference_over_seeds([0.9], [0.8])


def test_groups_over_images_are_mcnemars_test_where_each_has_one_model() -> None:
    first, second = np.zeros(1000), np.zeros(1000)
    first[:86], second[86:206] = 1, 1
    statistic = mcnemar([[400, 86], [120, 394]], exact=False, correction=False)
    assert significance.difference_over_images(first, second) == pytest.approx(statistic.pvalue, abs=1e-12)
    assert significance.difference_over_images(first, first) == 1.0


def test_groups_over_images_are_rightly_often_wrong() -> None:
    """Where nothing differs, one test in twenty says that something does."""
    random = np.random.default_rng(0)
    difficulty = random.beta(8, 1, size=(600, 500, 1))
    groups = (random.random((600, 500, 6)) < difficulty).reshape(600, 500, 2, 3).mean(axis=3)
    p_values = [significance.difference_over_images(one[:, 0], one[:, 1]) for one in groups]
    assert np.mean(np.array(p_values) < 0.05) == pytest.approx(0.05, abs=0.025)


def test_as_many_images_as_are_needed_show_the_difference_four_times_in_five() -> None:
    n = 2000
    first, second = np.ones(n), np.ones(n)
    first[:80], second[80:180] = 0, 0  # 4 % and 5 % are wrong, no image twice
    needed = significance.images_needed(first, second)
    # Connor: ((1.96 sqrt(0.09) + 0.8416 sqrt(0.09 - 0.01^2)) / 0.01)^2
    z, other = stats.norm.ppf(0.975), stats.norm.ppf(0.8)
    assert needed == math.ceil(((z * math.sqrt(0.09) + other * math.sqrt(0.0899)) / 0.01) ** 2) == 7062
    drawn = np.random.default_rng(5).multinomial(needed, [0.05, 0.04, 0.91], size=2000)
    shown = np.mean([significance.exact_mcnemar(a, b) < 0.05 for a, b, _ in drawn])
    assert shown == pytest.approx(0.8, abs=0.03)
    assert significance.images_needed(first, first) is None


@pytest.mark.parametrize(
    ("difference", "deviations"), [(0.01, (0.01, 0.01)), (-0.02, (0.01, 0.03)), (0.05, (0.01, 0.01))]
)
def test_seeds_needed_are_those_of_statsmodels(difference: float, deviations: tuple[float, float]) -> None:
    spread = math.sqrt((deviations[0] ** 2 + deviations[1] ** 2) / 2)
    expected = TTestIndPower().solve_power(abs(difference) / spread, alpha=0.01, power=0.8)
    assert significance.seeds_needed(difference, *deviations, significance=0.01) == math.ceil(expected)


def test_no_number_of_seeds_is_named_where_a_hundred_are_too_few() -> None:
    assert significance.seeds_needed(0.001, 0.01, 0.01) is None
    assert significance.seeds_needed(0.0, 0.01, 0.01) is None
    assert significance.seeds_needed(0.001, 0.0, 0.0) == 2
