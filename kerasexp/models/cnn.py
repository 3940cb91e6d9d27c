"""Small convolutional networks."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers


def kmnist_cnn(
    image_shape: tuple[int, int, int],
    classes: int,
    filters: Sequence[int] = (32, 64),
    kernel_size: int = 3,
    pooling: bool = True,
    dense: int = 128,
    dropout: Sequence[float] = (0.25, 0.5),
) -> keras.Model:
    """Two valid convolutions, one max-pooling and one hidden layer: the CNN of the KMNIST study.

    On 28x28x1 images and 10 classes it has 1,199,882 parameters, without pooling 4,738,826.

    Args:
        image_shape: height, width, channels.
        classes: width of the softmax.
        filters: of the two convolutions.
        kernel_size: of both convolutions.
        pooling: whether a 2x2 max-pooling follows them.
        dense: width of the hidden layer.
        dropout: rates after the pooling and after the hidden layer.

    Returns:
        A model from images with values 0 to 255 (`float32` or `uint8`, `[batch, height, width, channels]`) to class
        probabilities (`float32`, `[batch, classes]`).

    References:
        Semcovici, MAC5921 EP1 (2024), figures of the architectures; its code for the dropout rates.
    """
    first, second = filters
    before, after = dropout
    image = keras.Input(image_shape, name="image")
    x = layers.Rescaling(1 / 255, name="rescaling")(image)
    x = layers.Conv2D(first, kernel_size, activation="relu", name="conv1")(x)
    x = layers.Conv2D(second, kernel_size, activation="relu", name="conv2")(x)
    if pooling:
        x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.Dropout(before, name="dropout1")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(dense, activation="relu", name="dense1")(x)
    x = layers.Dropout(after, name="dropout2")(x)
    probabilities = layers.Dense(classes, activation="softmax", name="probabilities")(x)
    return keras.Model(image, probabilities, name="kmnist_cnn")
