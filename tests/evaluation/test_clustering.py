"""Numbers of a clustering against scikit-learn, the study's own prints and counting by hand."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from sklearn import metrics

from kerasexp.errors import KerasexpError
from kerasexp.evaluation.clustering import evaluate_clusters, map_clusters, sample_of, silhouette

NAMES = [str(digit) for digit in range(10)]
MNIST = (6903, 7877, 6990, 7141, 6824, 6313, 6876, 7293, 6825, 6958)  # images of each digit


def mixed(n: int = 600, clusters: int = 10, classes: int = 10, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Clusters that follow the labels two times of three."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(classes, size=n)
    drawn = generator.integers(clusters, size=n)
    return np.where(generator.random(n) < 0.67, (labels * 7 + 3) % clusters, drawn), labels


@pytest.mark.parametrize("clusters", [2, 5, 10, 20])
def test_scores_are_scikit_learns(clusters: int) -> None:
    found, labels = mixed(clusters=clusters)
    numbers, mapping = evaluate_clusters(found, labels, NAMES, clusters, seed=0)
    mapped = mapping.label_of(found)
    assert numbers["nmi"] == pytest.approx(metrics.normalized_mutual_info_score(labels, found), abs=1e-12)
    assert numbers["nmi_mapped"] == pytest.approx(metrics.normalized_mutual_info_score(labels, mapped), abs=1e-12)
    assert numbers["ari"] == pytest.approx(metrics.adjusted_rand_score(labels, found), abs=1e-12)
    assert numbers["accuracy"]["value"] == pytest.approx(metrics.accuracy_score(labels, mapped))
    assert [row["f1"]["value"] for row in numbers["per_class"]] == pytest.approx(
        metrics.f1_score(labels, mapped, average=None, labels=range(10), zero_division=0)
    )
    for name in ("nmi_mapped", "nmi", "ari"):
        low, high = numbers["intervals"][name]
        assert low < numbers[name] < high + 0.02  # 600 images look a little more ordered than the clusters are
        assert 0.01 < high - low < 0.15
    assert json.loads(json.dumps(numbers)) == numbers


def test_the_map_is_the_best_of_all() -> None:
    found, labels = mixed(n=200, clusters=5, classes=5, seed=3)
    mapping = map_clusters(found, labels, 5, 5)
    best = max(
        sum(mapping.counts[cluster, label] for cluster, label in enumerate(order))
        for order in itertools.permutations(range(5))
    )
    assert (mapping.label_of(found) == labels).sum() == best


def test_everything_in_one_cluster_gives_what_the_study_printed() -> None:
    """Its run with alpha 1: accuracy 0.11253, NMI 0, every image taken for the most frequent digit."""
    labels = np.repeat(np.arange(10), MNIST)
    numbers, mapping = evaluate_clusters(np.full(70_000, 4), labels, NAMES, 10, seed=0)
    assert round(numbers["accuracy"]["value"], 5) == 0.11253
    assert numbers["nmi"] == numbers["nmi_mapped"] == numbers["ari"] == 0.0
    assert numbers["clusters_used"] == 1
    assert mapping.labels == (None, None, None, None, 1, None, None, None, None, None)


def test_surplus_clusters_count_as_the_first_class() -> None:
    """Twice as many clusters as classes, each class split in two: half of every class but the first is lost."""
    labels = np.repeat(np.arange(10), 100)
    found = 2 * labels + (np.arange(1000) % 100 >= 60)  # the larger part first
    numbers, mapping = evaluate_clusters(found, labels, NAMES, 20, seed=0)
    assert mapping.labels == tuple(label if first else None for label in range(10) for first in (True, False))
    assert numbers["accuracy"]["value"] == pytest.approx(0.6 + 0.04)  # the zeros are all right
    assert np.array(numbers["confusion_matrix"])[:, 0].tolist() == [100] + [40] * 9
    assert numbers["majority_accuracy"]["value"] == numbers["purity"] == 1.0
    assert numbers["nmi_mapped"] < numbers["nmi"] < 1


def test_classes_without_a_cluster_are_never_predicted() -> None:
    labels = np.repeat(np.arange(10), 50)
    numbers, mapping = evaluate_clusters(labels // 5, labels, NAMES, 2, seed=0)
    assert mapping.labels == (0, 5)
    assert numbers["accuracy"]["value"] == pytest.approx(0.2)
    assert [row["f1"]["value"] > 0 for row in numbers["per_class"]] == [label in (0, 5) for label in range(10)]
    assert numbers["purity"] == pytest.approx(0.2)


def test_clusters_without_labels_give_what_needs_none() -> None:
    assert evaluate_clusters(np.array([0, 2, 2, 0]), None, [], 5, seed=0) == ({"n": 4, "clusters_used": 2}, None)


def test_a_part_of_the_images_has_a_map_of_its_own() -> None:
    found, labels = mixed(n=1000)
    part = sample_of(1000, 900, seed=1)
    numbers, mapping = evaluate_clusters(found[part], labels[part], NAMES, 10, seed=0)
    assert numbers["n"] == mapping.counts.sum() == 900
    assert len(np.unique(part)) == 900
    assert sample_of(1000, 900, seed=2).tolist() != part.tolist() == sample_of(1000, 900, seed=1).tolist()
    assert sample_of(10, 63_000, seed=1).tolist() == list(range(10))


def test_one_class_in_one_cluster_agrees_wholly() -> None:
    numbers, _ = evaluate_clusters(np.zeros(5, int), np.zeros(5, int), ["only"], 3, seed=0)
    assert [numbers[name] for name in ("nmi", "ari", "purity")] == [1.0, 1.0, 1.0]
    assert numbers["accuracy"]["value"] == 1.0


def test_no_images_are_refused() -> None:
    with pytest.raises(KerasexpError, match="nothing to evaluate"):
        evaluate_clusters(np.zeros(0, int), np.zeros(0, int), NAMES, 3, seed=0)


def test_silhouette() -> None:
    generator = np.random.default_rng(0)
    clusters = generator.integers(3, size=900)
    points = generator.normal(size=(900, 10)).astype(np.float32)
    far = points + 100 * np.eye(10, dtype=np.float32)[clusters]
    assert silhouette(far, clusters, seed=0) > 0.9
    assert abs(silhouette(points, clusters, seed=0)) < 0.05
    assert silhouette(far, clusters, seed=0) == pytest.approx(metrics.silhouette_score(far, clusters))
    assert silhouette(far, clusters, seed=0, images=50) != silhouette(far, clusters, seed=1, images=50)
    assert silhouette(far, np.zeros(900, int), seed=0) is None
    assert silhouette(far[:4], np.arange(4), seed=0) is None
