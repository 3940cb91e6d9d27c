"""Intervals: how far a number could be from itself on other images or with another seed. All are 95 % by default."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy import special  # scipy.stats takes over a second to import

Interval = tuple[float, float]


def wilson(successes: float, n: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of a proportion.

    Args:
        successes: how many of `n` were right; a fraction (a published accuracy times `n`) is taken as it is.
        n: how many there were; 0 knows nothing and gives (0, 1).
        confidence: coverage, 0.95 by default.

    Returns:
        Lower and upper bound, both in [0, 1].

    References:
        Wilson, Journal of the American Statistical Association 22 (1927) 209-212.
    """
    if n == 0:
        return 0.0, 1.0
    z = special.ndtri((1 + confidence) / 2)
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # at 0 and n the bound is exact; rounding must not push it past the value itself
    low = 0.0 if successes <= 0 else float(max(0.0, centre - half))
    high = 1.0 if successes >= n else float(min(1.0, centre + half))
    return low, high


def difference_interval(first: float, first_interval: Interval, second: float, second_interval: Interval) -> Interval:
    """The interval of `first - second`, two independent values each with an interval of its own.

    The distances from each value to its bounds are added in quadrature, bound by bound, so that skewed intervals stay
    skewed. With Wilson intervals this is Newcombe's interval.

    References:
        Zou and Donner, Statistics in Medicine 27 (2008) 1693-1702.
    """
    difference = first - second
    below = math.hypot(first - first_interval[0], second_interval[1] - second)
    above = math.hypot(first_interval[1] - first, second - second_interval[0])
    return difference - below, difference + above


def newcombe(successes: float, n: int, other_successes: float, other_n: int, confidence: float = 0.95) -> Interval:
    """Newcombe's interval of the difference of two independent proportions, first minus other.

    Args:
        successes: of the first sample.
        n: size of the first sample, at least 1.
        other_successes: of the other sample.
        other_n: size of the other sample, at least 1.
        confidence: coverage, 0.95 by default.

    References:
        Newcombe, Statistics in Medicine 17 (1998) 873-890, method 10.
    """
    return difference_interval(
        successes / n,
        wilson(successes, n, confidence),
        other_successes / other_n,
        wilson(other_successes, other_n, confidence),
    )


def paired_newcombe(only_first: int, only_second: int, both: int, neither: int, confidence: float = 0.95) -> Interval:
    """Newcombe's interval of the difference of two proportions of the same images, first minus second.

    What both got right or wrong together makes the interval narrower than that of two samples.

    Args:
        only_first: images that only the first got right.
        only_second: images that only the second got right.
        both: images that both got right.
        neither: images that none got right; all four are 0 or more, together at least 1.
        confidence: coverage, 0.95 by default.

    References:
        Newcombe, Statistics in Medicine 17 (1998) 2635-2650, method 10.
    """
    n = only_first + only_second + both + neither
    first, second = (both + only_first) / n, (both + only_second) / n
    (low, high), (other_low, other_high) = (wilson(share * n, n, confidence) for share in (first, second))
    correlation = _correlation(only_first, only_second, both, neither)
    below = _joined(first - low, other_high - second, correlation)
    above = _joined(high - first, second - other_low, correlation)
    return first - second - below, first - second + above


def _correlation(only_first: int, only_second: int, both: int, neither: int) -> float:
    """Phi of a two by two table, corrected towards 0 where it is positive; 0 where a margin is empty."""
    margins = (both + only_first) * (only_second + neither) * (both + only_second) * (only_first + neither)
    if not margins:
        return 0.0
    determinant = float(both * neither - only_first * only_second)
    if determinant > 0:
        determinant = max(determinant - (only_first + only_second + both + neither) / 2, 0.0)
    return determinant / math.sqrt(margins)


def _joined(distance: float, other: float, correlation: float) -> float:
    return math.sqrt(max(0.0, distance**2 - 2 * correlation * distance * other + other**2))


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Where the mean over all seeds lies, from the values of at least two: mean ± t(n-1) * s / sqrt(n).

    Args:
        values: one per seed, taken as normally distributed.
        confidence: coverage, 0.95 by default.
    """
    mean, deviation = float(np.mean(values)), float(np.std(values, ddof=1))
    half = float(special.stdtrit(len(values) - 1, (1 + confidence) / 2)) * deviation / math.sqrt(len(values))
    return mean - half, mean + half


def prediction_half_width(deviation: float, n: int, confidence: float = 0.95) -> float:
    """How far one more run may lie from the mean of `n` runs: t(n-1) * s * sqrt(1 + 1/n).

    A published number is such a run. With ever more seeds this tends to 1.96 s, never to 0.

    Args:
        deviation: s, the standard deviation between the runs (divisor n - 1).
        n: number of runs, at least 2.
        confidence: coverage, 0.95 by default.
    """
    return float(special.stdtrit(n - 1, (1 + confidence) / 2) * deviation * math.sqrt(1 + 1 / n))


def prediction_interval(
    values: Sequence[float], confidence: float = 0.95, within: Interval = (-math.inf, math.inf)
) -> Interval:
    """Where one more run (another seed) would lie, from the values of at least two runs.

    Args:
        values: one per run.
        confidence: 0.95 by default.
        within: the least and the most that the value can be, e.g. 0 and 1 for a share; everything by default.
    """
    mean, deviation = float(np.mean(values)), float(np.std(values, ddof=1))
    half = prediction_half_width(deviation, len(values), confidence)
    return max(mean - half, within[0]), min(mean + half, within[1])


def resampled_counts(
    confusion: np.ndarray, seed: int = 0, resamples: int = 1000
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws the test images again, with replacement, `resamples` times.

    What precision, recall and F1 need of an image is its cell of the confusion matrix, so the new matrices are drawn
    from the multinomial distribution: the same as drawing images, at a thousandth of the work.

    Args:
        confusion: int array `[classes, classes]`, rows true, with at least one image.
        seed: of the drawing.
        resamples: how many new test sets, 1,000 by default.

    Returns:
        Three float64 arrays `[resamples, classes]`: images that were rightly put into each class, images of each
        class, images put into each class.
    """
    true, predicted = np.nonzero(confusion)
    cells = confusion[true, predicted]
    drawn = np.random.default_rng(seed).multinomial(cells.sum(), cells / cells.sum(), size=resamples).astype(np.float64)
    classes = np.eye(len(confusion))
    hits = drawn @ (classes[true] * classes[predicted])
    return hits, drawn @ classes[true], drawn @ classes[predicted]


def bootstrap(statistic: Callable[..., float], *images: np.ndarray, seed: int = 0, resamples: int = 1000) -> np.ndarray:
    """Any statistic on test sets drawn again from the images, with replacement.

    Images that are equal in all that the statistic looks at are counted together, so that 70,000 images of ten classes
    cost no more than their few hundred kinds. A difference of two models is paired by itself: each image is drawn with
    what both said of it.

    Args:
        statistic: called as `statistic(weights, *rows)`: how many images of each kind were drawn (int64 `[kinds]`), and
            what they are, an array `[kinds]` for each of `images`. Functions of scikit-learn take such weights as
            `sample_weight`.
        *images: arrays `[n]`, what the statistic looks at, e.g. labels and predicted labels; n at least 1.
        seed: of the drawing.
        resamples: how many new test sets, 1,000 by default.

    Returns:
        float64 array `[resamples]`, for `percentile_interval`.

    Example:

    >>> def accuracy(weights, true, predicted):
    ...     return np.average(true == predicted, weights=weights)
    >>> percentile_interval(bootstrap(accuracy, labels, predicted))

    References:
        Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
    """
    kinds, counts = np.unique(np.column_stack(images), axis=0, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(counts.sum(), counts / counts.sum(), size=resamples)
    return np.array([statistic(weights, *kinds.T) for weights in drawn], np.float64)


def percentile_interval(samples: np.ndarray, confidence: float = 0.95) -> Interval:
    """The bootstrap's percentile interval.

    Args:
        samples: float array `[resamples]`, the statistic on each resample.
        confidence: coverage, 0.95 by default.
    """
    low, high = np.quantile(samples, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
