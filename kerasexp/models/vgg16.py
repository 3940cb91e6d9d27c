"""VGG16 with the two heads of the beans study."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from kerasexp.errors import did_you_mean
from kerasexp.models.preprocessing import centred_bgr, resized

HEADS = ("softmax", "relu")


def vgg16(
    image_shape: tuple[int, int, int],
    classes: int,
    input_size: int | None = 224,
    features: str = "block5_pool",
    head: str = "softmax",
) -> keras.Model:
    """VGG16 with global average pooling and a dense layer.

    With 3 classes it has 14,716,227 parameters, 1,539 of them after the convolutions. The layers are named as in
    `keras.applications`.

    Args:
        image_shape: height, width, 3.
        classes: width of the dense layer.
        input_size: height and width that the images are resized to; None leaves them.
        features: the layer whose maps are averaged; what comes after it is left out. `block4_pool` gives 512 features
            for nine tenths of the work.
        head: activation of the dense layer: `softmax`, or the study's `relu`, which is no distribution. The loss of the
            study divided its values by their sum; so does this network, and where all are zero it gives equal shares.

    Returns:
        A model from images with values 0 to 255 (`float32` or `uint8`, `[batch, height, width, 3]`) to class
        probabilities (`float32`, `[batch, classes]`).

    References:
        Simonyan, Zisserman, arXiv 1409.1556; keras.applications.VGG16; Erthal, Lamarca, assignment 1 (2023), code for
        the heads.
    """
    if head not in HEADS:
        raise ValueError(f"head must be one of {', '.join(HEADS)}, received: {head}")
    image = keras.Input(image_shape, name="image")
    x = vgg16_features(resized(image, input_size), features)
    x = layers.GlobalAveragePooling2D(name="features")(x)
    logits = layers.Dense(classes, name="logits")(x)
    if head == "softmax":
        probabilities = layers.Softmax(name="probabilities")(logits)
    else:
        probabilities = _shares(layers.ReLU(name="relu")(logits))
    return keras.Model(image, probabilities, name="vgg16")


def vgg16_features(image: Any, features: str = "block5_pool") -> Any:
    """The convolutional part up to the layer `features`, its preprocessing included, on images 0 to 255."""
    backbone = keras.applications.VGG16(include_top=False, weights=None, input_tensor=centred_bgr(image))
    names = [layer.name for layer in backbone.layers if layer.name.startswith("block")]
    if features not in names:
        raise ValueError(f'features: VGG16 has no layer "{features}". {did_you_mean(features, names)}')
    return backbone.get_layer(features).output


def _shares(values: Any) -> Any:
    """Values divided by their sum.

    The constant keeps 0/0 away. It is far below the 1e-7 at which Keras' loss clips a probability, so that a class
    without a value has no gradient, as in the study.
    """
    values = layers.Rescaling(1.0, offset=1e-12, name="above_zero")(values)
    shares = ops.divide(values, ops.sum(values, axis=-1, keepdims=True))
    return layers.Activation("linear", name="probabilities")(shares)
