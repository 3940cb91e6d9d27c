"""Class probabilities of a model for images."""

from __future__ import annotations

import keras
import numpy as np

from kerasexp.data.dataset import Images, is_in_memory
from kerasexp.models import prediction_batch


def predict_probabilities(model: keras.Model, x: Images) -> np.ndarray:
    """The model's output for every image.

    Args:
        model: from images with values 0 to 255 to probabilities.
        x: uint8 `[n, height, width, channels]`; images in a file are read batch by batch.

    Returns:
        float32 array `[n, classes]`.
    """
    batch = prediction_batch(model)
    block = len(x) if is_in_memory(x) else 8 * batch
    blocks = [
        model.predict(np.asarray(x[start : start + block]), batch_size=batch, verbose=0)
        for start in range(0, len(x), block)
    ]
    return np.concatenate(blocks).astype("float32", copy=False)
