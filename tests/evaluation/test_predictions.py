from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from kerasexp.evaluation import predictions


@pytest.fixture
def model() -> keras.Model:
    image = keras.Input((4, 4, 1))
    flat = layers.Flatten()(layers.Rescaling(1 / 255)(image))
    return keras.Model(image, [flat, layers.Dense(3, activation="softmax")(flat)])


def test_every_output_of_every_image_in_order(model, monkeypatch):
    monkeypatch.setattr(predictions, "PIXELS", 16 * 10)  # batches of ten
    x = np.random.default_rng(0).integers(0, 256, (23, 4, 4, 1), np.uint8)
    pixels, probabilities = predictions.model_outputs(model, x)
    np.testing.assert_allclose(pixels, x.reshape(23, 16) / 255, atol=1e-6)
    np.testing.assert_allclose(probabilities, model.predict(x, verbose=0)[1], atol=1e-6)
    assert probabilities.dtype == np.float32


def test_large_images_come_in_small_batches(model, monkeypatch):
    seen = []
    model.predict_on_batch = lambda x: seen.append(len(x)) or np.zeros((len(x), 2), np.float32)
    predictions.model_outputs(model, np.zeros((70, 224, 224, 3), np.uint8))
    predictions.model_outputs(model, np.zeros((1500, 4, 4, 1), np.uint8))
    assert seen == [31, 31, 8, 1000, 500]
