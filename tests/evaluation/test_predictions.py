"""Outputs come in order and are the same whether images are in memory or in a file."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from kerasexp.data.dataset import ImagesOnDisk
from kerasexp.evaluation.predictions import model_outputs, predict_probabilities
from kerasexp.models import prediction_batch


def small_model(side: int = 4) -> keras.Model:
    image = keras.Input((side, side, 1))
    flat = layers.Flatten()(layers.Rescaling(1 / 255)(image))
    return keras.Model(image, [flat, layers.Dense(3, activation="softmax")(flat)])


def test_every_output_of_every_image_in_order():
    model = small_model()
    x = np.random.default_rng(0).integers(0, 256, (1007, 4, 4, 1), np.uint8)  # two batches
    pixels, probabilities = model_outputs(model, x)
    np.testing.assert_allclose(pixels, x.reshape(1007, 16) / 255, atol=1e-6)
    np.testing.assert_allclose(probabilities, model.predict(x, verbose=0)[1], atol=1e-6)
    assert probabilities.dtype == np.float32


def test_images_on_disk(tmp_path):
    model = small_model()
    network = keras.Model(model.input, model.outputs[1])
    x = np.random.default_rng(0).integers(0, 256, (40, 4, 4, 1), dtype=np.uint8)
    np.save(tmp_path / "x.npy", x)
    mapped, rows = np.load(tmp_path / "x.npy", mmap_mode="r"), np.arange(39, 0, -2)
    expected = predict_probabilities(network, x)
    np.testing.assert_allclose(predict_probabilities(network, mapped), expected, atol=1e-6)
    np.testing.assert_allclose(predict_probabilities(network, ImagesOnDisk(mapped, rows)), expected[rows], atol=1e-6)


def test_wide_networks_take_small_batches():
    assert prediction_batch(small_model()) == 1000
    image = keras.Input((224, 224, 3))
    wide = keras.Model(image, layers.Conv2D(64, 3, padding="same")(image))
    assert prediction_batch(wide) == 20  # 12.8 MB for each image
