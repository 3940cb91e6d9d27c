"""Probabilities are the same whether images are in memory or in a file."""

from __future__ import annotations

import keras
import numpy as np

from kerasexp.data.dataset import ImagesOnDisk
from kerasexp.evaluation import predictions


def test_images_on_disk_in_several_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(predictions, "BATCH_IMAGES", 3)
    image = keras.Input((6, 6, 3))
    probabilities = keras.layers.Dense(4, activation="softmax")(keras.layers.Flatten()(image))
    model = keras.Model(image, probabilities)
    x = np.random.default_rng(0).integers(0, 256, (40, 6, 6, 3), dtype=np.uint8)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    rows = np.arange(39, 0, -2)
    expected = predictions.predict_probabilities(model, x)
    assert expected.shape == (40, 4)
    assert expected.dtype == np.float32
    np.testing.assert_allclose(predictions.predict_probabilities(model, mapped), expected, atol=1e-6)
    on_disk = predictions.predict_probabilities(model, ImagesOnDisk(mapped, rows))
    np.testing.assert_allclose(on_disk, expected[rows], atol=1e-6)
