"""What the first layers have learned, as arrays to draw."""

from __future__ import annotations

import math

import keras
import numpy as np


def convolution_kernels(model: keras.Model) -> list[tuple[str, np.ndarray]]:
    """The kernels of all convolutions on images, in the order of the layers.

    Returns:
        Pairs of layer name and float32 array `[height, width, input channels, filters]`.
    """
    return [
        (layer.name, np.asarray(layer.kernel, dtype=np.float32))
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D)
    ]


def filter_pictures(kernel: np.ndarray) -> np.ndarray:
    """Each filter as one picture: in colour on colour images, else in grey, as the KMNIST study drew them.

    The values are stretched from the smallest to the largest weight of the whole layer, so that filters can be
    compared; of filters with other than three input channels only channel 0 is drawn.

    Args:
        kernel: float array `[height, width, input channels, filters]`.

    Returns:
        float32 array `[filters, height, width, 3]` or `[filters, height, width]` with values 0 to 1; 0.5 throughout if
        all weights are equal.
    """
    seen = kernel if kernel.shape[2] == 3 else kernel[:, :, 0]
    pictures = np.moveaxis(seen, -1, 0).astype(np.float32)
    low, high = float(kernel.min()), float(kernel.max())
    if low == high:
        return np.full_like(pictures, 0.5)
    return (pictures - low) / (high - low)


def dense_pictures(model: keras.Model) -> tuple[str, np.ndarray] | None:
    """The weights of a first layer that is fully connected to the image, each unit's as a picture.

    Returns:
        Layer name and float32 array `[height, width, channels, units]`, signs kept; None if the first layer with
        weights is of another kind or does not see the flattened image itself.
    """
    first = next((layer for layer in model.layers if layer.weights), None)
    image_shape = tuple(model.input_shape[1:])
    if not isinstance(first, keras.layers.Dense) or len(image_shape) != 3:
        return None
    kernel = np.asarray(first.kernel, dtype=np.float32)
    if len(kernel) != math.prod(image_shape):
        return None
    return first.name, kernel.reshape(*image_shape, -1)
