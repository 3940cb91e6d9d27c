from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score

from kerasexp.evaluation.comparison import Predictions, changed_images, differences, macro_f1, winner
from kerasexp.evaluation.significance import exact_mcnemar
from kerasexp.evaluation.statistics import paired_newcombe


def result(*wrong: np.ndarray, n: int = 10_000, images: str = "a") -> Predictions:
    """Runs on `n` images of ten classes; each is wrong on the given rows."""
    labels = np.arange(n) % 10
    predicted = np.tile(labels, (len(wrong), 1))
    for run, rows in zip(predicted, wrong, strict=True):
        run[rows] = (run[rows] + 1) % 10
    return Predictions(images, labels, predicted, 10)


def test_single_runs_are_compared_image_by_image():
    (pair,) = differences([result(np.arange(1000)), result(np.arange(200, 1040))])
    assert (pair.only_first, pair.only_second, pair.both, pair.neither) == (40, 200, 8960, 800)
    assert pair.accuracy == (pytest.approx(-0.016), paired_newcombe(40, 200, 8960, 800))
    assert pair.p == pair.corrected_p == exact_mcnemar(40, 200)
    assert (pair.better, pair.over_seeds, pair.images_needed, pair.seeds_needed) == ("second", False, None, None)


def test_the_same_accuracies_differ_where_the_mistakes_are_shared_and_not_where_they_are_others():
    shared = result(np.arange(300)), result(np.arange(260))
    others = result(np.arange(300)), result(np.arange(5000, 5260))
    assert differences(shared)[0].better == "second"
    assert differences(others)[0].better is None


def test_no_winner_inside_the_noise_and_how_many_images_would_show_one():
    results = [result(np.arange(300)), result(np.arange(5000, 5260))]
    (pair,) = differences(results)
    assert winner([pair], 2) is None
    # Connor's formula by hand: ((1.96 sqrt(.056) + .8416 sqrt(.056 - .004^2)) / .004)^2
    assert pair.images_needed == pytest.approx(27_470, rel=2e-3)
    assert differences([results[0], results[0]])[0].images_needed is None  # equal: none would


def test_a_winner_beats_every_other_run():
    results = [result(np.arange(100 * wrong)) for wrong in (3, 5, 3)]
    assert winner(differences(results), 3) is None
    results = [result(np.arange(100 * wrong)) for wrong in (3, 5, 1)]
    assert winner(differences(results), 3) == 2


def test_what_holds_alone_may_not_hold_in_a_table():
    first, second = result(np.arange(130)), result(np.arange(5000, 5095))
    alone = differences([first, second])[0]
    assert alone.p < 0.05
    assert alone.better == "second"
    table = differences([first, second, result(np.arange(100)), result(np.arange(1000, 1100))])
    pair = next(pair for pair in table if (pair.first, pair.second) == (0, 1))
    assert pair.p == alone.p < 0.05 < pair.corrected_p
    assert pair.better is None
    assert pair.images_needed > 10_000


def test_other_images_are_never_compared():
    pair, _, _ = differences([result(np.arange(1)), result(np.arange(5000), images="b"), result(np.arange(2))])
    assert (pair.comparable, pair.better, pair.accuracy) == (False, None, None)
    assert winner([pair], 2) is None


def test_seeds_are_compared_over_seeds_and_images():
    random = np.random.default_rng(0)
    wrong = [random.choice(10_000, size, replace=False) for size in (700, 720, 690, 500, 520, 510)]
    first, second = result(*wrong[:3]), result(*wrong[3:])
    (pair,) = differences([first, second])
    assert pair.over_seeds
    welch = stats.ttest_ind(first.accuracies, second.accuracies, equal_var=False)
    assert pair.p == pytest.approx(welch.pvalue)  # the larger one: over 10,000 images it is near 0
    difference, (low, high) = pair.accuracy
    assert difference == pytest.approx(-(2110 - 1530) / 30_000)
    of_seeds = welch.confidence_interval(0.95)
    assert low < of_seeds.low < of_seeds.high < high < 0
    assert pair.better == "second"


def test_too_few_seeds_say_how_many_would_do():
    first, second = result(np.arange(500), np.arange(900)), result(np.arange(350), np.arange(700))
    (pair,) = differences([first, second])
    assert pair.better is None
    assert pair.images_needed is None  # over the images it is certain
    assert 10 < pair.seeds_needed < 60
    # one more run of the first, as far as anyone can tell
    (pair,) = differences([first, result(np.arange(350))])
    assert pair.better is None
    assert pair.seeds_needed > 3


def test_seeds_that_agree_do_not_make_up_for_few_images():
    few = {"n": 200}
    first, second = result(np.arange(16), np.arange(16), **few), result(np.arange(100, 115), np.arange(100, 115), **few)
    (pair,) = differences([first, second])
    assert pair.better is None
    assert pair.p > 0.5
    assert (pair.images_needed > 10_000, pair.seeds_needed) == (True, None)


def test_macro_f1_is_scikit_learns_and_its_difference_is_paired():
    random = np.random.default_rng(1)
    true = random.integers(0, 5, 500)
    predicted = np.where(random.random((2, 500)) < 0.8, true, random.integers(0, 5, (2, 500)))
    scores = [f1_score(true, of_run, average="macro") for of_run in predicted]
    assert macro_f1(np.ones(500), true, predicted[0], 5) == pytest.approx(scores[0])
    one, other = (Predictions("a", true, of_run[None], 5) for of_run in predicted)
    difference, (low, high) = differences([one, other])[0].macro_f1
    assert difference == pytest.approx(scores[0] - scores[1])
    assert low < difference < high
    assert high - low < 0.12
    assert differences([one, one])[0].macro_f1 == (0.0, (0.0, 0.0))


def test_changed_images_begin_with_those_that_differ_most():
    first = result(np.array([1]), np.array([1, 2]), np.array([9]), n=20)
    second = result(np.array([1, 2, 3, 4]), np.array([3, 4]), np.array([4, 5, 9]), n=20)
    np.testing.assert_array_equal(changed_images(first, second), [4, 3])
    np.testing.assert_array_equal(changed_images(second, first), [1])
