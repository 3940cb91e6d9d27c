"""Whether a difference could be chance, and how many images or seeds would show that it is not."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import special  # scipy.stats takes over a second to import

MOST_SEEDS = 100  # more are not worth naming


def exact_mcnemar(only_first: int, only_second: int) -> float:
    """The two-sided p-value of two models that differ by chance on the same images.

    Images that both got right or both got wrong say nothing. Of the others, each model would get one in two.

    Args:
        only_first: images that only the first model got right.
        only_second: images that only the second model got right.

    References:
        McNemar, Psychometrika 12 (1947) 153-157, with the exact binomial distribution.
    """
    together = only_first + only_second
    return min(1.0, 2 * float(special.bdtr(min(only_first, only_second), together, 0.5))) if together else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction of all p-values of a table, in the same order.

    Calling what is below 0.05 a difference is then wrong anywhere in the table in at most one table of twenty.

    Args:
        p_values: one per test.

    References:
        Holm, Scandinavian Journal of Statistics 6 (1979) 65-70.
    """
    corrected = [1.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = largest
    return corrected


def difference_over_seeds(
    first: Sequence[float], second: Sequence[float], confidence: float = 0.95
) -> tuple[float, float]:
    """How far the difference of two means over seeds may be off, and whether it could be chance.

    With several seeds on both sides Welch's t: each side has its own spread. A single run beside several seeds is taken
    for one more of them, with their spread.

    Args:
        first: a value for each seed.
        second: the same of the other side; at least one side has two or more.
        confidence: coverage, 0.95 by default.

    Returns:
        Half the width of the interval of the difference, and the two-sided p-value.

    Raises:
        ValueError: for one value on both sides.

    References:
        Welch, Biometrika 34 (1947) 28-35.
    """
    several = [values for values in (first, second) if len(values) > 1]
    if not several:
        raise ValueError("One value on each side says nothing of other seeds. Expected two or more on one side.")
    difference = float(np.mean(first) - np.mean(second))
    if len(several) == 2:
        parts = [float(np.var(values, ddof=1)) / len(values) for values in several]
        error = math.sqrt(sum(parts))
        freedom = (
            sum(parts) ** 2 / sum(part**2 / (len(values) - 1) for part, values in zip(parts, several, strict=True))
            if error
            else 1.0
        )
    else:
        error = float(np.std(several[0], ddof=1)) * math.sqrt(1 + 1 / len(several[0]))
        freedom = len(several[0]) - 1.0
    if not error:  # the seed changes nothing
        return 0.0, 1.0 if difference == 0 else 0.0
    half = float(special.stdtrit(freedom, (1 + confidence) / 2)) * error
    return half, 2 * float(special.stdtr(freedom, -abs(difference) / error))


def difference_over_images(right: np.ndarray, other_right: np.ndarray) -> float:
    """The two-sided p-value of two groups of models that differ by chance on the same images.

    McNemar's test with the normal distribution; what counts of an image is the share of the group that got it right.

    Args:
        right: float array `[n]`, 0 to 1, the share of the first group's models that got each image right.
        other_right: the same of the other group.
    """
    apart = right - other_right
    if not apart.any():
        return 1.0
    return 2 * float(special.ndtr(-abs(apart.sum()) / math.sqrt(np.square(apart).sum())))


def images_needed(
    right: np.ndarray, other_right: np.ndarray, significance: float = 0.05, power: float = 0.8
) -> int | None:
    """How many test images would show a difference as large as the one seen, on the same images.

    Args:
        right: float array `[n]`, 0 to 1, whether the first got each image right (of a group: the share that did).
        other_right: the same of the other one.
        significance: what a p-value must be below, 0.05 by default.
        power: how likely it then is, 0.8 by default.

    Returns:
        The number of all images, or None where the difference is 0.

    References:
        Connor, Biometrics 43 (1987) 207-211.
    """
    apart = right - other_right
    difference, square = float(apart.mean()), float(np.square(apart).mean())
    if difference == 0:
        return None
    by_chance = special.ndtri(1 - significance / 2) * math.sqrt(square)
    seen = special.ndtri(power) * math.sqrt(max(0.0, square - difference**2))
    return math.ceil(((by_chance + seen) / difference) ** 2)


def seeds_needed(
    difference: float, deviation: float, other_deviation: float, significance: float = 0.05, power: float = 0.8
) -> int | None:
    """How many seeds on each side would show a difference as large as the one seen, by a t-test of two samples.

    Args:
        difference: of the means.
        deviation: standard deviation between the seeds of the first.
        other_deviation: the same of the other one.
        significance: what a p-value must be below, 0.05 by default.
        power: how likely it then is, 0.8 by default.

    Returns:
        Seeds of each side, at least 2, or None where 100 are not enough.

    References:
        Cohen, Statistical Power Analysis for the Behavioral Sciences (1988), chapter 2.
    """
    spread = math.sqrt((deviation**2 + other_deviation**2) / 2)
    if difference == 0:
        return None
    if spread == 0:
        return 2
    effect = abs(difference) / spread
    return next((n for n in range(2, MOST_SEEDS + 1) if _t_test_power(effect, n, significance) >= power), None)


def _t_test_power(effect: float, n: int, significance: float) -> float:
    freedom, shift = 2 * n - 2, effect * math.sqrt(n / 2)
    beyond = special.stdtrit(freedom, 1 - significance / 2)
    return float(1 - special.nctdtr(freedom, shift, beyond) + special.nctdtr(freedom, shift, -beyond))
