"""Class probabilities of a model for images."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

BATCH = 1000


def predict_probabilities(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """The model's output for every image.

    Args:
        model: from images with values 0 to 255 to probabilities.
        x: uint8 array `[n, height, width, channels]`.

    Returns:
        float32 array `[n, classes]`.
    """

    @tf.function(reduce_retracing=True)
    def forward(batch: tf.Tensor) -> tf.Tensor:
        return model(batch, training=False)

    batches = [forward(tf.constant(x[first : first + BATCH])).numpy() for first in range(0, len(x), BATCH)]
    return np.concatenate(batches).astype("float32")
