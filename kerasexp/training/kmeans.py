"""k-means on the embedded images: where the cluster representatives of a pretrained Deep k-Means start."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from kerasexp.config import schema
from kerasexp.data.dataset import Split
from kerasexp.data.pipeline import evaluation_batches
from kerasexp.models.deep_kmeans import DeepKMeans


def place_representatives(model: DeepKMeans, split: Split, settings: schema.KMeans, seed: int) -> np.ndarray:
    """Puts the representatives onto the centres that scikit-learn's k-means++ finds among the embedded images.

    Args:
        model: its encoder is trained.
        split: the images.
        settings: restarts and iterations of k-means.
        seed: of its random starts.

    Returns:
        The embeddings, float32 `[n, size]`, in the order of the images.
    """
    encoder = model.encoder
    batches = evaluation_batches(split, classes=1, batch_size=1000)
    embedding = np.concatenate([encoder(x, training=False).numpy() for x, _ in batches])
    clusters = model.representatives.shape[0]
    kmeans = KMeans(clusters, n_init=settings.restarts, max_iter=settings.max_iterations, random_state=seed)
    # several threads would add up the images of a cluster in any order: from four on no two runs have the same bits
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different images than clusters: the report says so
        kmeans.fit(embedding)
    model.representatives.assign(kmeans.cluster_centers_)
    return embedding
