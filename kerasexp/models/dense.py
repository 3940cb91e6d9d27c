"""Fully connected networks."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from kerasexp.models.blocks import activated


def kmnist_fcnn(
    image_shape: tuple[int, int, int],
    classes: int,
    units: Sequence[int] = (1024, 512),
    dropout: Sequence[float] = (0.25, 0.5),
    extra_layers: int = 0,
    activation: str = "relu",
    normalization: str = "none",
    initialization: str = "glorot_uniform",
) -> keras.Model:
    """Two hidden layers, each with dropout: the fully connected network of the KMNIST study.

    On 28x28x1 images and 10 classes it has 1,333,770 parameters. The last four arguments are what the study left open.

    Args:
        image_shape: height, width, channels.
        classes: width of the softmax.
        units: widths of the hidden layers.
        dropout: rates after each of them.
        extra_layers: further hidden layers, each as the last one.
        activation: of every hidden layer, a name that Keras knows.
        normalization: before each activation: `none`, `batch` or `layer`.
        initialization: of the kernels of the hidden layers, a name that Keras knows.

    Returns:
        A model from images with values 0 to 255 (`float32` or `uint8`, `[batch, height, width, channels]`) to class
        probabilities (`float32`, `[batch, classes]`).

    References:
        Semcovici, MAC5921 EP1 (2024), figures of the architectures; its code for the dropout rates.
    """
    if extra_layers < 0:
        raise ValueError(f"extra_layers must be 0 or more, received: {extra_layers}")
    image = keras.Input(image_shape, name="image")
    x = layers.Rescaling(1 / 255, name="rescaling")(image)
    x = layers.Flatten(name="flatten")(x)
    open_settings = {"activation": activation, "normalization": normalization, "initialization": initialization}
    hidden = [*zip(units, dropout, strict=True)]
    for number, (width, rate) in enumerate(hidden + extra_layers * hidden[-1:], start=1):
        x = activated(x, layers.Dense, width, name=f"dense{number}", **open_settings)
        x = layers.Dropout(rate, name=f"dropout{number}")(x)
    probabilities = layers.Dense(classes, activation="softmax", name="probabilities")(x)
    return keras.Model(image, probabilities, name="kmnist_fcnn")
