"""Whether one test accuracy is better than another, or only looks so."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from kerasexp.evaluation.statistics import Interval, newcombe


@dataclasses.dataclass(frozen=True)
class TestAccuracy:
    """What one run got right.

    Attributes:
        images: what tells the test images apart from others: only equal ones are compared.
        right: how many the run classified rightly, of `n`.
        n: at least 1.
    """

    __test__ = False  # no test for pytest

    images: str
    right: int
    n: int


@dataclasses.dataclass(frozen=True)
class Difference:
    """Two runs held against each other.

    Attributes:
        first, second: their positions.
        difference: accuracy of the first minus that of the second.
        interval: Newcombe's 95 % interval of it.
        verdict: `first`, `second` (which of them is better), `cannot tell`, or `other test images`.
    """

    first: int
    second: int
    difference: float
    interval: Interval
    verdict: str


def differences(accuracies: Sequence[TestAccuracy]) -> list[Difference]:
    """Every pair of runs.

    Newcombe's interval takes the two as measured on different images. Runs on the same images vary together, so it is
    rather too wide: what it calls better is.

    Args:
        accuracies: one per run.
    """
    return [
        _difference(first, accuracies[first], second, accuracies[second])
        for first in range(len(accuracies))
        for second in range(first + 1, len(accuracies))
    ]


def winner(accuracies: Sequence[TestAccuracy]) -> int | None:
    """The position of the run that is better than every other one; None if there is no such run.

    Args:
        accuracies: one per run, at least two.
    """
    beaten: dict[int, int] = {}
    for pair in differences(accuracies):
        if pair.verdict in ("first", "second"):
            better = pair.first if pair.verdict == "first" else pair.second
            beaten[better] = beaten.get(better, 0) + 1
    return next((position for position, count in beaten.items() if count == len(accuracies) - 1), None)


def _difference(first: int, one: TestAccuracy, second: int, other: TestAccuracy) -> Difference:
    interval = newcombe(one.right, one.n, other.right, other.n)
    if (one.images, one.n) != (other.images, other.n):
        verdict = "other test images"
    elif interval[0] > 0:
        verdict = "first"
    elif interval[1] < 0:
        verdict = "second"
    else:
        verdict = "cannot tell"
    return Difference(first, second, one.right / one.n - other.right / other.n, interval, verdict)
