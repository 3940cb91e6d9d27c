"""Whether one result is better than another on the same test images, or only looks so."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from kerasexp.evaluation.significance import (
    difference_over_images,
    difference_over_seeds,
    exact_mcnemar,
    holm,
    images_needed,
    seeds_needed,
)
from kerasexp.evaluation.statistics import Interval, bootstrap, paired_newcombe, percentile_interval

SIGNIFICANCE = 0.05


@dataclasses.dataclass(frozen=True)
class Predictions:
    """What one run, or several of the same settings with different seeds, said of the test images.

    Attributes:
        images: what tells the test images apart from others: only results on equal ones are compared.
        labels: int64 `[n]`, n at least 1.
        predicted: int64 `[runs, n]`, the class that each run gave each image.
        classes: how many there are.
    """

    images: str
    labels: np.ndarray
    predicted: np.ndarray
    classes: int

    @property
    def right(self) -> np.ndarray:
        """float64 `[n]`: the share of the runs that got each image right."""
        return (self.predicted == self.labels).mean(axis=0)

    @property
    def mostly_right(self) -> np.ndarray:
        """bool `[n]`: whether more than half of the runs got each image right; of one run, whether it did."""
        return self.right > 0.5

    @property
    def accuracies(self) -> list[float]:
        """The accuracy of each run."""
        return (self.predicted == self.labels).mean(axis=1).tolist()


@dataclasses.dataclass(frozen=True)
class Difference:
    """Two results held against each other.

    Attributes:
        first, second: their positions.
        comparable: whether they were tested on the same images; if not, nothing below is known.
        accuracy: mean accuracy of the first minus that of the second, and its 95 % interval.
        macro_f1: the same for the mean of the classes' F1.
        over_seeds: whether the interval and the p-value count the spread between seeds too.
        only_first, only_second: images that one side alone got right, of several runs most.
        both, neither: images that both sides got right, and that none did.
        p: two-sided, of the accuracies being equal.
        corrected_p: after Holm's correction over all pairs.
        better: `first` or `second` where the corrected p is below 0.05 and the interval does not hold 0, else None.
        images_needed: where it cannot be told and the images are too few: how many would show this difference.
        seeds_needed: where it cannot be told and the seeds are too few: how many on each side would show it.
    """

    first: int
    second: int
    comparable: bool
    accuracy: tuple[float, Interval] | None = None
    macro_f1: tuple[float, Interval] | None = None
    over_seeds: bool = False
    only_first: int = 0
    only_second: int = 0
    both: int = 0
    neither: int = 0
    p: float = 1.0
    corrected_p: float = 1.0
    better: str | None = None
    images_needed: int | None = None
    seeds_needed: int | None = None


def differences(results: Sequence[Predictions]) -> list[Difference]:
    """Every pair of results.

    Single runs are compared over the images: McNemar's exact test, Newcombe's paired interval. That says which of two
    trained networks is better, and nothing of other seeds. Where one side has several seeds, the difference must stand
    against the spread between the seeds and against the choice of the images: the p-value is the larger of the two
    tests', and the interval is that of both errors together.

    Args:
        results: one per run or group of seeds.
    """
    pairs = [
        _difference(first, results[first], second, results[second])
        for first in range(len(results))
        for second in range(first + 1, len(results))
    ]
    tested = [pair for pair in pairs if pair.comparable]
    corrected = holm([pair.p for pair in tested])
    judged = {
        (pair.first, pair.second): _judged(pair, p, SIGNIFICANCE / len(tested), results)
        for pair, p in zip(tested, corrected, strict=True)
    }
    return [judged.get((pair.first, pair.second), pair) for pair in pairs]


def winner(pairs: Sequence[Difference], results: int) -> int | None:
    """The position of the result that is better than every other one; None if there is no such result.

    Args:
        pairs: what `differences` gives.
        results: how many results there are, at least two.
    """
    beaten: dict[int, int] = {}
    for pair in pairs:
        if pair.better:
            position = pair.first if pair.better == "first" else pair.second
            beaten[position] = beaten.get(position, 0) + 1
    return next((position for position, count in beaten.items() if count == results - 1), None)


def changed_images(first: Predictions, second: Predictions) -> np.ndarray:
    """Test images that the first gets right and the second wrong, of several runs most.

    Args:
        first: one result.
        second: another one on the same images.

    Returns:
        int64 array of rows; those on which the most runs differ first.
    """
    rows = np.flatnonzero(first.mostly_right & ~second.mostly_right)
    return rows[np.argsort((second.right - first.right)[rows], kind="stable")]


def macro_f1(weights: np.ndarray, true: np.ndarray, predicted: np.ndarray, classes: int) -> float:
    """The mean of the classes' F1; a class without images and predictions counts 0, as in the tables.

    Args:
        weights: float or int `[n]`, how often each row counts.
        true: int64 `[n]`, labels.
        predicted: int64 `[n]`.
        classes: how many there are.
    """
    agree = true == predicted
    hits = np.bincount(true[agree], weights[agree], minlength=classes)
    total = np.bincount(true, weights, minlength=classes) + np.bincount(predicted, weights, minlength=classes)
    return float(np.divide(2 * hits, total, out=np.zeros(classes), where=total > 0).mean())


def macro_f1_difference(one: Predictions, other: Predictions) -> tuple[float, Interval]:
    """The difference of the mean macro F1, and its 95 % interval: the bootstrap's over the images, and over the seeds.

    Args:
        one, other: results on the same images.
    """
    runs = len(one.predicted)

    def scores(weights: np.ndarray, true: np.ndarray, *predicted: np.ndarray) -> list[float]:
        return [macro_f1(weights, true, of_run, one.classes) for of_run in predicted]

    def difference(weights: np.ndarray, true: np.ndarray, *predicted: np.ndarray) -> float:
        of_runs = scores(weights, true, *predicted)
        return float(np.mean(of_runs[:runs]) - np.mean(of_runs[runs:]))

    columns = (one.labels, *one.predicted, *other.predicted)
    each = scores(np.ones(len(one.labels)), *columns)
    value = float(np.mean(each[:runs]) - np.mean(each[runs:]))
    low, high = percentile_interval(bootstrap(difference, *columns))
    seeds = difference_over_seeds(each[:runs], each[runs:])[0] if len(each) > 2 else 0.0
    return value, (value - math.hypot(value - low, seeds), value + math.hypot(high - value, seeds))


def _difference(first: int, one: Predictions, second: int, other: Predictions) -> Difference:
    if one.images != other.images:
        return Difference(first, second, comparable=False)
    right, other_right = one.right, other.right
    only_first, only_second = len(changed_images(one, other)), len(changed_images(other, one))
    both = int(np.count_nonzero(one.mostly_right & other.mostly_right))
    neither = len(right) - only_first - only_second - both
    over_seeds = len(one.predicted) + len(other.predicted) > 2
    if over_seeds:
        difference = float((right - other_right).mean())
        seeds_half, seeds_p = difference_over_seeds(one.accuracies, other.accuracies)
        half = math.hypot(seeds_half, special.ndtri(0.975) * float((right - other_right).std()) / math.sqrt(len(right)))
        interval = difference - half, difference + half
        p = max(seeds_p, difference_over_images(right, other_right))
    else:
        difference = (only_first - only_second) / len(right)
        interval = paired_newcombe(only_first, only_second, both, neither)
        p = exact_mcnemar(only_first, only_second)
    return Difference(
        first,
        second,
        comparable=True,
        accuracy=(difference, interval),
        macro_f1=macro_f1_difference(one, other),
        over_seeds=over_seeds,
        only_first=only_first,
        only_second=only_second,
        both=both,
        neither=neither,
        p=p,
    )


def _judged(pair: Difference, corrected_p: float, significance: float, results: Sequence[Predictions]) -> Difference:
    """The pair with its verdict and, without one, what would bring it.

    Args:
        pair: on the same images.
        corrected_p: after Holm's correction.
        significance: what p must be below if every test of the table is to count (Bonferroni's share).
        results: all of them.
    """
    assert pair.accuracy is not None
    difference, (low, high) = pair.accuracy
    if corrected_p < SIGNIFICANCE and (low > 0 or high < 0):
        better = "first" if difference > 0 else "second"
        return dataclasses.replace(pair, corrected_p=corrected_p, better=better)
    one, other = results[pair.first], results[pair.second]
    images = seeds = None
    if not pair.over_seeds or difference_over_images(one.right, other.right) >= significance:
        images = images_needed(one.right, other.right, significance)
    if pair.over_seeds and difference_over_seeds(one.accuracies, other.accuracies)[1] >= significance:
        spreads = [float(np.std(side.accuracies, ddof=1)) for side in (one, other) if len(side.predicted) > 1]
        seeds = seeds_needed(difference, spreads[0], spreads[-1], significance)
    return dataclasses.replace(pair, corrected_p=corrected_p, images_needed=images, seeds_needed=seeds)
