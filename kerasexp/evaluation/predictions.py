"""What a model's layers give for images."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

PIXELS = 1_600_000  # of one batch: a thousand images of 28x28 and more, 31 of 224x224


def predict_probabilities(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """The model's output for every image.

    Args:
        model: from images with values 0 to 255 to probabilities.
        x: uint8 array `[n, height, width, channels]`; may be memory-mapped.

    Returns:
        float32 array `[n, classes]`.
    """
    return model_outputs(model, x)[0]


def model_outputs(model: keras.Model, x: np.ndarray) -> list[np.ndarray]:
    """All outputs of a model for every image, batch by batch: `Model.predict` would copy all images first.

    Args:
        model: from images with values 0 to 255.
        x: uint8 array `[n, height, width, channels]`, n at least 1; may be memory-mapped.

    Returns:
        A float32 array `[n, ...]` for each output.
    """
    batch = min(1000, max(1, PIXELS // (x.shape[1] * x.shape[2])))
    parts: list[list[np.ndarray]] = []
    for first in range(0, len(x), batch):
        outputs: Any = model.predict_on_batch(np.ascontiguousarray(x[first : first + batch]))
        parts.append(outputs if isinstance(outputs, list) else [outputs])
    return [np.concatenate(of_one).astype(np.float32, copy=False) for of_one in zip(*parts, strict=True)]
