"""Fully connected networks."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers


def kmnist_fcnn(
    image_shape: tuple[int, int, int],
    classes: int,
    units: Sequence[int] = (1024, 512),
    dropout: Sequence[float] = (0.25, 0.5),
) -> keras.Model:
    """Two hidden layers, each with dropout: the fully connected network of the KMNIST study.

    On 28x28x1 images and 10 classes it has 1,333,770 parameters.

    Args:
        image_shape: height, width, channels.
        classes: width of the softmax.
        units: widths of the hidden layers.
        dropout: rates after each of them.

    Returns:
        A model from images with values 0 to 255 (`float32` or `uint8`, `[batch, height, width, channels]`) to class
        probabilities (`float32`, `[batch, classes]`).

    References:
        Semcovici, MAC5921 EP1 (2024), figures of the architectures; its code for the dropout rates.
    """
    image = keras.Input(image_shape, name="image")
    x = layers.Rescaling(1 / 255, name="rescaling")(image)
    x = layers.Flatten(name="flatten")(x)
    for number, (width, rate) in enumerate(zip(units, dropout, strict=True), start=1):
        x = layers.Dense(width, activation="relu", name=f"dense{number}")(x)
        x = layers.Dropout(rate, name=f"dropout{number}")(x)
    probabilities = layers.Dense(classes, activation="softmax", name="probabilities")(x)
    return keras.Model(image, probabilities, name="kmnist_fcnn")
