"""Class probabilities of a model for images."""

from __future__ import annotations

import keras
import numpy as np

from kerasexp.models import prediction_batch


def predict_probabilities(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """The model's output for every image.

    Args:
        model: from images with values 0 to 255 to probabilities.
        x: uint8 array `[n, height, width, channels]`.

    Returns:
        float32 array `[n, classes]`.
    """
    return model.predict(x, batch_size=prediction_batch(model), verbose=0).astype("float32", copy=False)
