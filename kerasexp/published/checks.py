"""Functions that decide a statement over the metrics of one run.

Each takes the run's numbers and the statement's metric and limit, and returns whether the statement holds (None if the
run lacks the number) and what was seen, in words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Numbers(Protocol):
    """Where a check finds the metrics: `kerasexp.published.results.Results`."""

    def value(self, metric: str) -> float | None: ...

    def values(self, pattern: str) -> list[float]: ...


Outcome = tuple[bool | None, str]


def below(numbers: Numbers, metric: str, limit: float) -> Outcome:
    """The number is below the limit."""
    value = numbers.value(metric)
    return (None, "") if value is None else (value < limit, f"{value:.5g}")


def above(numbers: Numbers, metric: str, limit: float) -> Outcome:
    """The number is above the limit."""
    value = numbers.value(metric)
    return (None, "") if value is None else (value > limit, f"{value:.5g}")


def spread_at_most(numbers: Numbers, metric: str, limit: float) -> Outcome:
    """Largest and smallest of several numbers lie no further apart than the limit."""
    values = numbers.values(metric)
    if not values:
        return None, ""
    return max(values) - min(values) <= limit, f"from {min(values):.4f} to {max(values):.4f}"


CHECKS: dict[str, Callable[[Numbers, str, float], Outcome]] = {
    "below": below,
    "above": above,
    "spread_at_most": spread_at_most,
}
