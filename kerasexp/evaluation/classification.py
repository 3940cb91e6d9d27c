"""What a classifier's probabilities are worth, each number with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn import metrics

from kerasexp.errors import KerasexpError
from kerasexp.evaluation.statistics import percentile_interval, resampled_counts, wilson

MOST_CONFUSED = 10  # pairs listed
EPSILON = 1e-7  # as Keras clips probabilities


def evaluate_predictions(
    probabilities: np.ndarray, labels: np.ndarray, class_names: Sequence[str], seed: int = 0
) -> dict[str, Any]:
    """Every number of the report for one split.

    Args:
        probabilities: float array `[n, classes]`, n at least 1.
        labels: int array `[n]`, from 0.
        class_names: one per column of `probabilities`.
        seed: of the bootstrap.

    Returns:
        Plain numbers, ready for JSON: those of `evaluate_labels`, `loss` (mean cross-entropy, clipped as Keras does,
        without smoothing) and `auc_micro` (over all image-class pairs).

    Raises:
        KerasexpError: if there are no images, or probabilities that are not finite.
    """
    if not np.isfinite(probabilities).all():
        raise KerasexpError(
            "The network's probabilities are not finite: its weights diverged. Train again with a lower learning rate."
        )
    found = evaluate_labels(probabilities.argmax(axis=1), labels, class_names, seed)
    return found | {"loss": _cross_entropy(probabilities, labels), "auc_micro": _micro_auc(probabilities, labels)}


def evaluate_labels(
    predicted: np.ndarray, labels: np.ndarray, class_names: Sequence[str], seed: int = 0
) -> dict[str, Any]:
    """What can be said of predicted labels, whoever predicted them.

    A class that is never predicted has precision 0, one without images recall 0, and F1 0 where either is.

    Args:
        predicted: int array `[n]`, from 0, n at least 1.
        labels: int array `[n]`, from 0.
        class_names: one per label.
        seed: of the bootstrap.

    Returns:
        Plain numbers, ready for JSON: `n`, `accuracy` with its Wilson interval, `macro` and `weighted` averages and
        `per_class` precision, recall and F1 (F1 with a bootstrap interval over the images), `intervals` by the same
        bootstrap of those averages that are no proportion of the images (`macro.precision`, `macro.recall` and
        `weighted.precision`), `confusion_matrix` (rows true), `most_confused` (true, predicted, count) and
        `most_confused_pairs` (both directions together).

    Raises:
        KerasexpError: if there are no images.
    """
    if not len(labels):
        raise KerasexpError("There is nothing to evaluate: the split has no images. Expected at least one.")
    names = [str(name) for name in class_names]
    classes = np.arange(len(names))
    confusion = np.bincount(labels * len(names) + predicted, minlength=len(names) ** 2).reshape(len(names), len(names))
    right = int(np.trace(confusion))
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        labels, predicted, labels=classes, zero_division=0
    )
    samples, weights = _resampled(confusion, seed)

    def average(share: np.ndarray, sampled: np.ndarray) -> dict[str, Any]:
        return {
            "precision": float(precision @ share),
            "recall": float(recall @ share),
            "f1": {"value": float(f1 @ share), "interval": list(percentile_interval(sampled))},
        }

    averages = {
        "macro.precision": samples["precision"].mean(axis=1),
        "macro.recall": samples["recall"].mean(axis=1),
        "weighted.precision": (samples["precision"] * weights).sum(axis=1),
    }

    return {
        "n": len(labels),
        "accuracy": {"value": right / len(labels), "interval": list(wilson(right, len(labels)))},
        "macro": average(np.full(len(names), 1 / len(names)), samples["f1"].mean(axis=1)),
        "weighted": average(support / support.sum(), (samples["f1"] * weights).sum(axis=1)),
        "per_class": [
            {
                "name": name,
                "support": int(support[k]),
                "precision": float(precision[k]),
                "recall": float(recall[k]),
                "f1": {"value": float(f1[k]), "interval": list(percentile_interval(samples["f1"][:, k]))},
            }
            for k, name in enumerate(names)
        ],
        "intervals": {path: list(percentile_interval(sampled)) for path, sampled in averages.items()},
        "confusion_matrix": confusion.tolist(),
        "most_confused": _most_confused(confusion, names),
        "most_confused_pairs": _most_confused_pairs(confusion, names),
    }


def most_confident_mistakes(probabilities: np.ndarray, labels: np.ndarray, count: int = 25) -> np.ndarray:
    """The wrong predictions that the network was surest of.

    Args:
        probabilities: float array `[n, classes]`.
        labels: int array `[n]`.
        count: how many at the most, 25 by default.

    Returns:
        int64 array of rows, the surest first; of equals the earlier row.
    """
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    order = np.argsort(-probabilities[wrong, predicted[wrong]], kind="stable")
    return wrong[order][:count].astype(np.int64)


def _resampled(confusion: np.ndarray, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Scores `[resamples, classes]` on resampled images, and each class's share of the resample's images."""
    hits, support, predicted = resampled_counts(confusion, seed)

    def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
        return np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)

    scores = {
        "precision": share(hits, predicted),
        "recall": share(hits, support),
        "f1": share(2 * hits, support + predicted),
    }
    return scores, support / support.sum(axis=1, keepdims=True)


def _cross_entropy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    total = probabilities.sum(axis=1, dtype=np.float64)
    of_label = probabilities[np.arange(len(labels)), labels] / np.where(total > 0, total, 1.0)
    return float(-np.log(np.clip(of_label, EPSILON, 1 - EPSILON)).mean())


def _micro_auc(probabilities: np.ndarray, labels: np.ndarray) -> float | None:
    if probabilities.shape[1] < 2:
        return None  # one class: nothing to rank
    one_hot = np.eye(probabilities.shape[1], dtype=np.int8)[labels]
    return float(metrics.roc_auc_score(one_hot.ravel(), probabilities.ravel()))


def _most_confused(confusion: np.ndarray, names: list[str]) -> list[dict[str, Any]]:
    wrong = confusion - np.diag(np.diag(confusion))
    return [
        {"true": names[true], "predicted": names[predicted], "count": int(wrong[true, predicted])}
        for true, predicted in _largest(wrong)
    ]


def _most_confused_pairs(confusion: np.ndarray, names: list[str]) -> list[dict[str, Any]]:
    both = np.triu(confusion + confusion.T, k=1)
    return [{"classes": [names[a], names[b]], "count": int(both[a, b])} for a, b in _largest(both)]


def _largest(counts: np.ndarray) -> list[tuple[int, int]]:
    """The cells with the largest counts above 0, of equals the first in reading order."""
    order = np.argsort(-counts, axis=None, kind="stable")[:MOST_CONFUSED]
    rows, columns = np.unravel_index(order, counts.shape)
    return [(int(row), int(column)) for row, column in zip(rows, columns, strict=True) if counts[row, column] > 0]
