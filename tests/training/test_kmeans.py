"""Where the representatives of a pretrained Deep k-Means start."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from kerasexp.config.schema import KMeans
from kerasexp.data.dataset import Split
from kerasexp.models.deep_kmeans import deep_kmeans
from kerasexp.training.kmeans import place_representatives


def test_representatives_have_the_same_bits_on_many_threads(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "8")  # else scikit-learn takes no more than there are processors
    generator = np.random.default_rng(0)
    split = Split(generator.integers(0, 256, (4000, 8, 8, 1), np.uint8), np.zeros(4000, np.int64), np.arange(4000))
    model = deep_kmeans((8, 8, 1), 10, hidden=[16], embedding=10)
    settings = KMeans(name="kmeans", restarts=2, max_iterations=50)
    found = []
    with threadpool_limits(8):  # with two threads there is nothing to see
        for _ in range(4):
            place_representatives(model, split, settings, seed=0)
            found.append(model.representatives.numpy())
    assert all(np.array_equal(found[0], other) for other in found[1:])
    assert len(np.unique(found[0], axis=0)) == 10
