"""Functions that decide a statement over the metrics of one run.

Each takes the run's numbers and the statement's metric and limit, and returns whether the statement holds (None if the
run lacks the number, or its number is not sure enough) and what was seen, in words.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Protocol

LEVEL = 0.2  # a curve that moves by less than this share of what it fell before has levelled off (assumed)


class Numbers(Protocol):
    """Where a check finds the metrics: `kerasexp.published.results.Results`."""

    @property
    def class_names(self) -> Sequence[str]: ...

    def value(self, metric: str) -> float | None: ...

    def values(self, pattern: str) -> list[float]: ...

    def interval(self, metric: str) -> tuple[float, float] | None: ...


Outcome = tuple[bool | None, str]


def below(numbers: Numbers, metric: str, limit: float) -> Outcome:
    """The number is below the limit."""
    value = numbers.value(metric)
    return (None, "") if value is None else (value < limit, f"{value:.5g}")


def above(numbers: Numbers, metric: str, limit: float) -> Outcome:
    """The number is above the limit."""
    value = numbers.value(metric)
    return (None, "") if value is None else (value > limit, f"{value:.5g}")


def surely_above(numbers: Numbers, metric: str, limit: float) -> Outcome:
    """The whole 95 % interval of the number is above the limit; undecided while the limit lies in it."""
    value, interval = numbers.value(metric), numbers.interval(metric)
    if value is None or interval is None:
        return None, ""
    low, high = interval
    words = f"{value:+.4f}, 95 % interval {low:+.4f} to {high:+.4f}"
    return (True if low > limit else False if high <= limit else None), words


def between(numbers: Numbers, metric: str, limit: Sequence[float]) -> Outcome:
    """The number lies between the two limits or on one of them."""
    value, (low, high) = numbers.value(metric), limit
    return (None, "") if value is None else (low <= value <= high, f"{value:.5g}")


def all_below(numbers: Numbers, metric: str, limit: float) -> Outcome:
    """The largest of several numbers is below the limit."""
    values = numbers.values(metric)
    return (max(values) < limit, f"at most {max(values):.5g}") if values else (None, "")


def spread_at_most(numbers: Numbers, metric: str, limit: float) -> Outcome:
    """Largest and smallest of several numbers lie no further apart than the limit."""
    values = numbers.values(metric)
    if not values:
        return None, ""
    return max(values) - min(values) <= limit, f"from {min(values):.4f} to {max(values):.4f}"


def levels_off(numbers: Numbers, metric: str, limit: int) -> Outcome:
    """Around the epoch `limit` the curve becomes flat.

    From there on it moves by less than a fifth of what it fell until then. At half of these epochs it was not flat yet:
    it still fell by more than a fifth of what it had fallen.
    """
    curve, half = numbers.values(f"{metric}@*"), limit // 2
    if len(curve) < limit or not half:
        return None, ""
    first, early, then, after = curve[0], curve[half - 1], curve[limit - 1], curve[limit - 1 :]
    words = (
        f"from {first:.4f} to {early:.4f} in epoch {half} and {then:.4f} in epoch {limit}, "
        f"after it {min(after):.4f} to {max(after):.4f}"
    )
    still = max(after) - min(after) < LEVEL * (first - then)
    return still and early - min(curve[:limit]) > LEVEL * (first - early), words


def lowest_are(numbers: Numbers, metric: str, limit: Sequence[int]) -> Outcome:
    """The classes with the lowest numbers are these, in any order."""
    ranked = _ranked(numbers, metric)[: len(limit)]
    return (set(ranked) == set(limit), f"lowest: {_names(numbers, ranked)}") if ranked else (None, "")


def highest_are(numbers: Numbers, metric: str, limit: Sequence[int]) -> Outcome:
    """The classes with the highest numbers are these, in any order."""
    ranked = _ranked(numbers, metric)[::-1][: len(limit)]
    return (set(ranked) == set(limit), f"highest: {_names(numbers, ranked)}") if ranked else (None, "")


def below_average(numbers: Numbers, metric: str, limit: Sequence[int]) -> Outcome:
    """Each of these classes is below the mean of all."""
    return _against_average(numbers, metric, limit, -1.0)


def above_average(numbers: Numbers, metric: str, limit: Sequence[int]) -> Outcome:
    """Each of these classes is above the mean of all."""
    return _against_average(numbers, metric, limit, 1.0)


def mostly_taken_for(numbers: Numbers, metric: str, limit: Sequence[int]) -> Outcome:
    """The class that `metric` ends in is taken for one of these classes more often than for any other."""
    true = int(metric.rpartition(".")[2])
    taken = {
        other: share
        for other in range(len(numbers.class_names))
        if other != true and (share := numbers.value(f"{metric}.{other}")) is not None
    }
    if not taken:
        return None, ""
    mostly = max(taken, key=lambda other: taken[other])
    return mostly in limit and taken[mostly] > 0, f"mostly for {_names(numbers, [mostly])}, {taken[mostly]:.4f}"


def pair_among(numbers: Numbers, metric: str, limit: Sequence[int]) -> Outcome:
    """Two classes are, both directions together, among the most confused pairs: `limit` is both and how many pairs."""
    *pair, many = limit
    counts = {
        (a, b): count
        for a, b in itertools.combinations(range(len(numbers.class_names)), 2)
        if (count := numbers.value(f"{metric}.{a}.{b}")) is not None
    }
    if not counts:
        return None, ""
    ranked = sorted(counts, key=lambda classes: -counts[classes])[:many]
    words = ", ".join(f"{'/'.join(numbers.class_names[k] for k in classes)} {counts[classes]:g}" for classes in ranked)
    return tuple(sorted(pair)) in ranked, words


def count_above(numbers: Numbers, metric: str, limit: Sequence[float]) -> Outcome:
    """So many of several numbers are above a threshold: `limit` is the threshold, and how many at least and at most."""
    threshold, least, most = limit
    values = numbers.values(metric)
    above = sum(value > threshold for value in values)
    return (least <= above <= most, f"{above} of {len(values)} above {threshold:g}") if values else (None, "")


def some_split(numbers: Numbers, metric: str, limit: float) -> Outcome:
    """Of some class, two predicted classes hold more than this share each."""
    found = {}
    for true in range(len(numbers.class_names)):
        shares = numbers.values(f"{metric}.{true}.*")
        if len(shares) > 1:
            found[true] = sorted(shares)[-2:][::-1]
    if not found:
        return None, ""
    most = max(found, key=lambda true: found[true][1])
    first, second = found[most]
    return second > limit, f"{numbers.class_names[most]}: {first:.4f} and {second:.4f}"


def grouped(numbers: Numbers, metric: str, limit: Sequence[int]) -> Outcome:
    """Some classes are mostly predicted as one and the same class, and others as another one.

    `limit` is how many classes are the group, these, and those that must be elsewhere.
    """
    many, *classes = limit
    rows = [numbers.values(f"{metric}.{true}.*") for true in classes]
    if not all(rows):
        return None, ""
    mostly = [row.index(max(row)) for row in rows]
    words = ", ".join(
        f"{numbers.class_names[k]} as {numbers.class_names[m]}" for k, m in zip(classes, mostly, strict=True)
    )
    return len(set(mostly[:many])) == 1 and mostly[0] not in mostly[many:], words


def _ranked(numbers: Numbers, metric: str) -> list[int]:
    """Class numbers, the lowest value first."""
    values = numbers.values(metric)
    return sorted(range(len(values)), key=lambda number: values[number])


def _against_average(numbers: Numbers, metric: str, classes: Sequence[int], sign: float) -> Outcome:
    values = numbers.values(metric)
    if not values:
        return None, ""
    mean = sum(values) / len(values)
    seen = ", ".join(f"{numbers.class_names[number]} {values[number]:.4f}" for number in classes)
    return all(sign * (values[number] - mean) > 0 for number in classes), f"{seen}; mean {mean:.4f}"


def _names(numbers: Numbers, classes: Sequence[int]) -> str:
    return ", ".join(numbers.class_names[number] for number in classes)


CHECKS: dict[str, Callable[[Numbers, str, Any], Outcome]] = {
    "below": below,
    "above": above,
    "surely_above": surely_above,
    "between": between,
    "all_below": all_below,
    "spread_at_most": spread_at_most,
    "levels_off": levels_off,
    "lowest_are": lowest_are,
    "highest_are": highest_are,
    "below_average": below_average,
    "above_average": above_average,
    "mostly_taken_for": mostly_taken_for,
    "pair_among": pair_among,
    "count_above": count_above,
    "some_split": some_split,
    "grouped": grouped,
}

LISTED = {  # those whose limit is a list
    "between",
    "lowest_are",
    "highest_are",
    "below_average",
    "above_average",
    "mostly_taken_for",
    "pair_among",
    "count_above",
    "grouped",
}
