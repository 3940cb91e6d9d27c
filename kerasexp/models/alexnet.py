"""AlexNet: one reduced for small images, and the full one in torchvision's layout."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from kerasexp.models.preprocessing import normalized
from kerasexp.models.torch_layers import convolution, linear


def alexnet48(
    image_shape: tuple[int, int, int],
    classes: int,
    dropout: float = 0.5,
    mean: Sequence[float] | None = (0.4914, 0.4822, 0.4465),
    std: Sequence[float] | None = (0.2470, 0.2435, 0.2616),
    initialization: str = "he_glorot",
) -> keras.Model:
    """AlexNet reduced for 32x32 images, 48 filters in its first layer: the network of the SimpleCNN study.

    On 32x32x3 images and 10 classes it has 6,199,498 parameters. The layer `flatten` gives the study's intermediate
    features, `logits` the final ones.

    Args:
        image_shape: height, width, channels.
        classes: width of the softmax.
        dropout: rate before each of the two hidden layers.
        mean: of each channel in [0, 1], subtracted from the scaled images; None (with `std`) for no normalisation.
        std: standard deviation of each channel likewise.
        initialization: `he_glorot`, the tutorial's (He for convolutions, Glorot with gain sqrt(2) for dense layers,
            normal, zero biases), or `default`, PyTorch's own.

    Returns:
        A model from images with values 0 to 255 (`float32` or `uint8`, `[batch, height, width, channels]`) to class
        probabilities (`float32`, `[batch, classes]`).

    References:
        del Valle Cano, APPIV practica 1 (2022), listing of the class; normalisation and initialisation are assumed,
        from the tutorial it descends from (bentrevett, pytorch-image-classification, 3_alexnet).
    """
    image = keras.Input(image_shape, name="image")
    x = normalized(image, mean, std)
    x = convolution(x, 48, 5, "conv1", stride=2, padding=2, initialization=initialization)
    x = layers.MaxPooling2D(2, name="pool1")(x)
    x = layers.ReLU(name="relu1")(x)
    x = convolution(x, 128, 5, "conv2", padding=2, initialization=initialization)
    x = layers.MaxPooling2D(2, name="pool2")(x)
    x = layers.ReLU(name="relu2")(x)
    x = convolution(x, 192, 3, "conv3", padding=1, activation="relu", initialization=initialization)
    x = convolution(x, 192, 3, "conv4", padding=1, activation="relu", initialization=initialization)
    x = convolution(x, 128, 3, "conv5", padding=1, initialization=initialization)
    x = layers.MaxPooling2D(2, name="pool5")(x)
    x = layers.ReLU(name="relu5")(x)
    x = layers.Flatten(name="flatten")(x)
    for number in (1, 2):
        x = layers.Dropout(dropout, name=f"dropout{number}")(x)
        x = linear(x, 2048, f"dense{number}", activation="relu", initialization=initialization)
    logits = linear(x, classes, "logits", initialization=initialization)
    probabilities = layers.Softmax(name="probabilities")(logits)
    return keras.Model(image, probabilities, name="alexnet48")
