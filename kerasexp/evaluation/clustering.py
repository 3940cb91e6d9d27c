"""What clusters are worth: by their labels, where there are some, and without."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from kerasexp.evaluation.classification import evaluate_labels
from kerasexp.evaluation.statistics import percentile_interval, wilson

UNMATCHED = 0  # the label of a cluster that the one-to-one map leaves over: what the study's map was filled with
RESAMPLES = 1000


@dataclasses.dataclass(frozen=True)
class ClusterMap:
    """Which class each cluster is taken for.

    Attributes:
        counts: int64 `[clusters, classes]`, images of each cluster and class.
        labels: the class of each cluster, no class twice; None where the map gives none, because the cluster is empty
            or there are more clusters than classes.
    """

    counts: np.ndarray
    labels: tuple[int | None, ...]

    def label_of(self, clusters: np.ndarray) -> np.ndarray:
        """The label of each image by its cluster: int64 `[n]`, `UNMATCHED` for a cluster that has none."""
        return np.array([UNMATCHED if label is None else label for label in self.labels], np.int64)[clusters]


def map_clusters(clusters: np.ndarray, labels: np.ndarray, clusters_total: int, classes: int) -> ClusterMap:
    """The one-to-one map from clusters to classes that gets the most images right.

    With fewer clusters than classes, some classes have no cluster and are never predicted. With more, some clusters
    have no class.

    Args:
        clusters: int `[n]`, the cluster of each image, from 0.
        labels: int `[n]`, from 0.
        clusters_total: how many clusters there are, empty ones included.
        classes: how many classes there are.

    References:
        Kuhn, Naval Research Logistics Quarterly 2 (1955) 83-97 (the Hungarian method).
    """
    counts = np.bincount(clusters * classes + labels, minlength=clusters_total * classes)
    counts = counts.reshape(clusters_total, classes)
    used = np.flatnonzero(counts.sum(axis=1))
    rows, columns = linear_sum_assignment(counts.max() - counts[used])
    label_of: list[int | None] = [None] * clusters_total
    for row, column in zip(rows, columns, strict=True):
        label_of[used[row]] = int(column)
    return ClusterMap(counts, tuple(label_of))


def evaluate_clusters(
    clusters: np.ndarray, labels: np.ndarray | None, class_names: Sequence[str], clusters_total: int, seed: int
) -> tuple[dict[str, Any], ClusterMap | None]:
    """Every number of the report for one clustering.

    Of a part of the images give the part of both arrays: the map is then that part's own.

    Args:
        clusters: int `[n]`, the cluster of each image, from 0; n at least 1.
        labels: int `[n]`, from 0; None for images without labels.
        class_names: one per label.
        clusters_total: how many clusters there are, empty ones included.
        seed: of the bootstrap.

    Returns:
        Plain numbers, ready for JSON, and the map from clusters to classes. Without labels the numbers are `n` and
        `clusters_used`, the clusters that hold images, and there is no map. With labels also

        * those of `evaluate_labels` for the mapped labels, where a cluster without a class counts as class 0;
        * `nmi_mapped`, the normalised mutual information of the mapped labels, which says little unless there are as
          many clusters as classes;
        * `nmi` and `ari` (adjusted Rand index) of the clusters themselves;
        * `majority_accuracy`, where each cluster is taken for its most frequent class, and `purity`, its value: the
          share of images that are of their cluster's most frequent class;
        * further `intervals`, of `nmi_mapped`, `nmi` and `ari`, by the basic bootstrap over the images, the map held
          fast.

    Raises:
        KerasexpError: if there are no images.
    """
    found: dict[str, Any] = {"n": len(clusters), "clusters_used": len(np.unique(clusters))}
    if labels is None:
        return found, None
    mapping = map_clusters(clusters, labels, clusters_total, len(class_names))
    mapped = evaluate_labels(mapping.label_of(clusters), labels, class_names, seed)
    majority = int(mapping.counts.max(axis=1).sum())
    of_mapped = np.array(mapped["confusion_matrix"]).T
    scores = {"nmi_mapped": _nmi(of_mapped), "nmi": _nmi(mapping.counts), "ari": _ari(mapping.counts)}
    resampled = {
        "nmi_mapped": _nmi(_resampled(of_mapped, seed)),
        "nmi": _nmi(_resampled(mapping.counts, seed)),
        "ari": _ari(_resampled(mapping.counts, seed)),
    }
    found |= {
        **mapped,
        **{name: float(value) for name, value in scores.items()},
        "purity": majority / len(labels),
        "majority_accuracy": {"value": majority / len(labels), "interval": list(wilson(majority, len(labels)))},
        "intervals": mapped["intervals"] | {name: _around(scores[name], values) for name, values in resampled.items()},
    }
    return found, mapping


def silhouette(embedding: np.ndarray, clusters: np.ndarray, seed: int, images: int = 5000) -> float | None:
    """How much nearer an image lies to its own cluster than to the next one: the mean over a sample, from -1 to 1.

    Args:
        embedding: float `[n, d]`.
        clusters: int `[n]`, the cluster of each image.
        seed: of the sample.
        images: how many are drawn at the most, 5,000 by default: the cost grows with its square.

    Returns:
        None where it says nothing: fewer than two clusters in the sample, or every image a cluster of its own.

    References:
        Rousseeuw, Journal of Computational and Applied Mathematics 20 (1987) 53-65.
    """
    from sklearn.metrics import silhouette_score

    drawn = sample_of(len(clusters), images, seed)
    if not 2 <= len(np.unique(clusters[drawn])) < len(drawn):
        return None
    return float(silhouette_score(embedding[drawn], clusters[drawn]))


def sample_of(n: int, images: int, seed: int) -> np.ndarray:
    """Positions of `images` of `n` images, drawn without replacement: int64 array, ascending; all if there are fewer.

    The method's own evaluation leaves 7,000 of MNIST's 70,000 images out: `sample_of(70_000, 63_000, seed)`.
    """
    if images >= n:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, images, replace=False))


def _around(value: np.ndarray, resampled: np.ndarray) -> list[float]:
    """The basic bootstrap's interval: resamples of few images look more ordered than they are, by as much as these."""
    low, high = percentile_interval(resampled)
    return [max(-1.0, 2 * float(value) - high), min(1.0, 2 * float(value) - low)]


def _resampled(counts: np.ndarray, seed: int) -> np.ndarray:
    """Tables of counts on images drawn again with replacement: int64 `[resamples, rows, columns]`."""
    images = counts.sum()
    drawn = np.random.default_rng(seed).multinomial(images, counts.ravel() / images, size=RESAMPLES)
    return drawn.reshape(RESAMPLES, *counts.shape)


def _nmi(counts: np.ndarray) -> np.ndarray:
    """Normalised mutual information (by the mean of the entropies) of tables of counts `[..., rows, columns]`.

    scikit-learn has it for labels only: a thousand resamples of 70,000 labels would take a minute.
    """
    images = counts.sum(axis=(-2, -1))[..., None]
    rows, columns = _entropy(counts.sum(axis=-1) / images), _entropy(counts.sum(axis=-2) / images)
    together = _entropy(counts.reshape(*images.shape[:-1], -1) / images)
    one_of_each = (rows == 0) & (columns == 0)  # one cluster and one class: they agree wholly
    split = (rows > 0) & (columns > 0)
    return np.where(split, (rows + columns - together) / np.where(split, (rows + columns) / 2, 1.0), one_of_each)


def _entropy(share: np.ndarray) -> np.ndarray:
    return -(share * np.log(share, out=np.zeros_like(share), where=share > 0)).sum(axis=-1)


def _ari(counts: np.ndarray) -> np.ndarray:
    """Adjusted Rand index of tables of counts `[..., rows, columns]`."""
    table = counts.astype(np.float64)
    together = _pairs(table).sum(axis=(-2, -1))
    rows, columns = _pairs(table.sum(axis=-1)).sum(axis=-1), _pairs(table.sum(axis=-2)).sum(axis=-1)
    by_chance = rows * columns / np.maximum(_pairs(table.sum(axis=(-2, -1))), 1)
    room = (rows + columns) / 2 - by_chance
    return np.where(room > 0, (together - by_chance) / np.where(room > 0, room, 1.0), 1.0)


def _pairs(counts: np.ndarray) -> np.ndarray:
    return counts * (counts - 1) / 2
