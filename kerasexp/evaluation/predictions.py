"""What a model's layers give for images."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kerasexp.data.dataset import Images
from kerasexp.models import prediction_batch


def predict_probabilities(model: keras.Model, x: Images) -> np.ndarray:
    """The model's output for every image.

    Args:
        model: from images with values 0 to 255 to probabilities.
        x: uint8 `[n, height, width, channels]`; images in a file are read batch by batch.

    Returns:
        float32 array `[n, classes]`.
    """
    return model_outputs(model, x)[0]


def model_outputs(model: keras.Model, x: Images) -> list[np.ndarray]:
    """All outputs of a model for every image, batch by batch: `Model.predict` would copy all images first.

    Args:
        model: from images with values 0 to 255.
        x: uint8 `[n, height, width, channels]`, n at least 1; images in a file are read batch by batch.

    Returns:
        A float32 array `[n, ...]` for each output.
    """
    batch = prediction_batch(model)
    parts: list[list[np.ndarray]] = []
    for first in range(0, len(x), batch):
        outputs: Any = model.predict_on_batch(np.ascontiguousarray(x[first : first + batch]))
        parts.append(outputs if isinstance(outputs, list) else [outputs])
    return [np.concatenate(of_one).astype(np.float32, copy=False) for of_one in zip(*parts, strict=True)]
