"""Two runs on the same test images: their errors go up and down together."""

from __future__ import annotations

import numpy as np

from kerasexp.evaluation.comparison import Predictions, macro_f1_difference
from kerasexp.evaluation.statistics import Interval, paired_newcombe
from kerasexp.published.results import Results


def paired_interval(metric: str, first: Results, second: Results) -> tuple[float, Interval] | None:
    """First minus second, and the 95 % interval of it over the test images that both saw.

    Of accuracies it is Newcombe's, which stays wide where the two differ on few images or none, of F1 the bootstrap's.

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
    classes = len(first.manifest["data"]["class_names"])
    return macro_f1_difference(
        *(Predictions("", true, of_run[None], classes) for of_run in (predicted, other_predicted))
    )


def _accuracy(right: np.ndarray, other_right: np.ndarray) -> tuple[float, Interval]:
    """Of two bool arrays `[n]`, whether either run got each image right."""
    only_first, only_second = int(np.sum(right & ~other_right)), int(np.sum(other_right & ~right))
    both, neither = int(np.sum(right & other_right)), int(np.sum(~right & ~other_right))
    value = (only_first - only_second) / len(right)
    return value, paired_newcombe(only_first, only_second, both, neither)
