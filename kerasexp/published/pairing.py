"""Two runs on the same test images: their errors go up and down together."""

from __future__ import annotations

import numpy as np

from kerasexp.evaluation.statistics import Interval, percentile_interval
from kerasexp.published.results import Results

RESAMPLES = 1000


def paired_interval(metric: str, first: Results, second: Results) -> tuple[float, Interval] | None:
    """First minus second, and the bootstrap's 95 % interval of it over the test images that both saw.

    What a score needs of an image is its true class and what either run took it for, so new test sets are drawn from
    the multinomial distribution over these cells: the same as drawing images.

    Args:
        metric: `test.accuracy` or `test.macro.f1`; no other can be paired.
        first, second: runs with predictions.

    Returns:
        None if the metric cannot be paired or the test images are not the same.
    """
    if metric not in ("test.accuracy", "test.macro.f1"):
        return None
    one, other = first.test_labels(), second.test_labels()
    if (
        one is None
        or other is None
        or first.manifest.get("data", {}).get("digest") != second.manifest.get("data", {}).get("digest")
    ):
        return None
    (index, true, predicted), (other_index, _, other_predicted) = one, other
    if not np.array_equal(index, other_index):
        return None
    cells, counts = np.unique(np.stack([true, predicted, other_predicted]), axis=1, return_counts=True)
    drawn = np.random.default_rng(0).multinomial(len(true), counts / len(true), size=RESAMPLES).astype(np.float64)
    score = _accuracy if metric == "test.accuracy" else _macro_f1
    truth, ours, theirs = cells
    at = score(counts[None].astype(np.float64), truth, ours) - score(counts[None].astype(np.float64), truth, theirs)
    return float(at[0]), percentile_interval(score(drawn, truth, ours) - score(drawn, truth, theirs))


def _accuracy(drawn: np.ndarray, true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Of each drawn test set, float64 `[resamples]`."""
    return drawn @ (true == predicted) / drawn.sum(axis=1)


def _macro_f1(drawn: np.ndarray, true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Of each drawn test set, float64 `[resamples]`; a class without images has the F1 0."""
    classes = np.eye(max(true.max(), predicted.max()) + 1)
    hits = drawn @ (classes[true] * classes[predicted])
    whole = drawn @ (classes[true] + classes[predicted])
    return np.divide(2 * hits, whole, out=np.zeros_like(hits), where=whole > 0).mean(axis=1)
