"""AlexNet: one reduced for small images, and the full one in torchvision's layout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from kerasexp.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD, normalized, resized
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


def alexnet(
    image_shape: tuple[int, int, int],
    classes: int,
    input_size: int | None = 224,
    dropout: float = 0.5,
    dense: Sequence[int] = (4096, 4096),
) -> keras.Model:
    """AlexNet as torchvision has it, with PyTorch's initial weights.

    On images of 224x224x3 and with 10 classes it has 57,044,810 parameters, 2,469,696 of them in the convolutions, with
    1,000 classes 61,100,840. The layers that ImageNet weights fit are named `alexnet_...`.

    Args:
        image_shape: height, width, channels.
        classes: width of the softmax.
        input_size: height and width that the images are resized to; None leaves them.
        dropout: rate before each of the two hidden layers.
        dense: widths of the hidden layers; ImageNet weights fit 4096 and 4096.

    Returns:
        A model from images with values 0 to 255 (`float32` or `uint8`, `[batch, height, width, channels]`) to class
        probabilities (`float32`, `[batch, classes]`).

    References:
        Krizhevsky, arXiv 1404.5997; torchvision.models.alexnet.
    """
    image = keras.Input(image_shape, name="image")
    x = alexnet_features(resized(image, input_size))
    x = layers.Flatten(name="flatten")(x)
    for number, width in enumerate(dense, start=1):
        x = layers.Dropout(dropout, name=f"dropout{number}")(x)
        x = linear(x, width, f"alexnet_dense{number}", activation="relu")
    logits = linear(x, classes, "logits")
    probabilities = layers.Softmax(name="probabilities")(logits)
    return keras.Model(image, probabilities, name="alexnet")


def alexnet_features(image: Any) -> Any:
    """The convolutional part, its preprocessing included: 6x6x256 from images of 224x224 with values 0 to 255."""
    x = normalized(image, IMAGENET_MEAN, IMAGENET_STD, name="alexnet_")
    x = convolution(x, 64, 11, "alexnet_conv1", stride=4, padding=2, activation="relu")
    x = layers.MaxPooling2D(3, 2, name="alexnet_pool1")(x)
    x = convolution(x, 192, 5, "alexnet_conv2", padding=2, activation="relu")
    x = layers.MaxPooling2D(3, 2, name="alexnet_pool2")(x)
    x = convolution(x, 384, 3, "alexnet_conv3", padding=1, activation="relu")
    x = convolution(x, 256, 3, "alexnet_conv4", padding=1, activation="relu")
    x = convolution(x, 256, 3, "alexnet_conv5", padding=1, activation="relu")
    return layers.MaxPooling2D(3, 2, name="alexnet_pool5")(x)
