"""Two runs on the same test images: their errors go up and down together."""

from __future__ import annotations

import numpy as np

from kerasexp.evaluation.statistics import Interval, paired_newcombe, percentile_interval
from kerasexp.published.results import Results

RESAMPLES = 1000


def paired_interval(metric: str, first: Results, second: Results) -> tuple[float, Interval] | None:
    """First minus second, and the 95 % interval of it over the test images that both saw.

    Of accuracies it is Newcombe's, which stays wide where the two differ on few images or none. Of F1 it is the
    bootstrap's: what F1 needs of an image is its true class and what either run took it for, so new test sets are drawn
    from the multinomial distribution over these cells, the same as drawing images.

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
    if metric == "test.accuracy":
        return _accuracy(predicted == true, other_predicted == true)
    cells, counts = np.unique(np.stack([true, predicted, other_predicted]), axis=1, return_counts=True)
    drawn = np.random.default_rng(0).multinomial(len(true), counts / len(true), size=RESAMPLES).astype(np.float64)
    truth, ours, theirs = cells
    seen = counts[None].astype(np.float64)
    at = _macro_f1(seen, truth, ours) - _macro_f1(seen, truth, theirs)
    return float(at[0]), percentile_interval(_macro_f1(drawn, truth, ours) - _macro_f1(drawn, truth, theirs))


def _accuracy(right: np.ndarray, other_right: np.ndarray) -> tuple[float, Interval]:
    """Of two bool arrays `[n]`, whether either run got each image right."""
    only_first, only_second = int(np.sum(right & ~other_right)), int(np.sum(other_right & ~right))
    both, neither = int(np.sum(right & other_right)), int(np.sum(~right & ~other_right))
    value = (only_first - only_second) / len(right)
    return value, paired_newcombe(only_first, only_second, both, neither)


def _macro_f1(drawn: np.ndarray, true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Of each drawn test set, float64 `[resamples]`; a class without images has the F1 0."""
    classes = np.eye(max(true.max(), predicted.max()) + 1)
    hits = drawn @ (classes[true] * classes[predicted])
    whole = drawn @ (classes[true] + classes[predicted])
    return np.divide(2 * hits, whole, out=np.zeros_like(hits), where=whole > 0).mean(axis=1)
