"""Networks that join the features of two others."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from kerasexp.models.alexnet import alexnet_features
from kerasexp.models.mobilenet_v2 import mobilenet_v2_features
from kerasexp.models.preprocessing import resized
from kerasexp.models.torch_layers import linear


def alexnet_mobilenet_v2(
    image_shape: tuple[int, int, int],
    classes: int,
    input_size: int | None = 224,
    dropout: float = 0.5,
    dense: Sequence[int] = (4096, 1024),
    alpha: float = 1.0,
) -> keras.Model:
    """Middle fusion of the EuroSAT study: the maps of AlexNet beside those of MobileNetV2, then two hidden layers.

    MobileNetV2's maps of 7x7 are averaged over windows of 2x2, which gives AlexNet's 6x6 (PyTorch's adaptive pooling).
    With 10 classes 230,702,090 parameters follow the joined maps of 6x6x1536; all weights take 0.9 GB. The study froze
    everything before the layer `flatten`.

    Args:
        image_shape: height, width, channels.
        classes: width of the softmax.
        input_size: height and width that the images are resized to; None leaves them.
        dropout: rate before each of the two hidden layers.
        dense: widths of the hidden layers.
        alpha: width of MobileNetV2, in Keras' layout.

    Returns:
        A model from images with values 0 to 255 (`float32` or `uint8`, `[batch, height, width, channels]`) to class
        probabilities (`float32`, `[batch, classes]`). Each part does its own preprocessing.

    References:
        Bastos, Cordeiro, APA TP1 (2024), code.
    """
    image = keras.Input(image_shape, name="image")
    x = resized(image, input_size)
    pooled = layers.AveragePooling2D(2, strides=1, name="mobilenet_v2_pool")(mobilenet_v2_features(x, alpha=alpha))
    x = layers.Concatenate(name="fusion")([alexnet_features(x), pooled])
    x = layers.Flatten(name="flatten")(x)
    for number, width in enumerate(dense, start=1):
        x = layers.Dropout(dropout, name=f"dropout{number}")(x)
        x = linear(x, width, f"dense{number}", activation="relu")
    logits = linear(x, classes, "logits")
    probabilities = layers.Softmax(name="probabilities")(logits)
    return keras.Model(image, probabilities, name="alexnet_mobilenet_v2")
