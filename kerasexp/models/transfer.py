"""One classifier over whichever backbone."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from kerasexp.models.mobilenet_v2 import mobilenet_v2_features
from kerasexp.models.preprocessing import centred_bgr, resized
from kerasexp.models.vgg16 import vgg16_features

BACKBONES = ("vgg16", "mobilenet_v2", "resnet50")


def classifier(
    image_shape: tuple[int, int, int],
    classes: int,
    backbone: str = "vgg16",
    alpha: float = 1.0,
    input_size: int | None = 224,
) -> keras.Model:
    """A backbone in Keras' layout, global average pooling and a dense layer: Alien vs Predator in the SimpleCNN study.

    The study does not name its backbone, so it is a setting. The layers are named as in `keras.applications`; the
    pooled maps are the layer `features`.

    Args:
        image_shape: height, width, 3.
        classes: width of the softmax.
        backbone: `vgg16`, `mobilenet_v2` or `resnet50`.
        alpha: width of `mobilenet_v2`; the others have one width only.
        input_size: height and width that the images are resized to; None leaves them.

    Returns:
        A model from images with values 0 to 255 (`float32` or `uint8`, `[batch, height, width, 3]`) to class
        probabilities (`float32`, `[batch, classes]`).

    References:
        del Valle Cano, APPIV practica 1 (2022); He et al., arXiv 1512.03385, for ResNet50.
    """
    if alpha != 1.0 and backbone != "mobilenet_v2":
        raise ValueError(f"alpha is for mobilenet_v2 only, received: {alpha} with {backbone}")
    image = keras.Input(image_shape, name="image")
    x = _features(backbone, resized(image, input_size), alpha)
    x = layers.GlobalAveragePooling2D(name="features")(x)
    logits = layers.Dense(classes, name="logits")(x)
    probabilities = layers.Softmax(name="probabilities")(logits)
    return keras.Model(image, probabilities, name=f"{backbone}_classifier")


def _features(backbone: str, image: Any, alpha: float) -> Any:
    match backbone:
        case "vgg16":
            return vgg16_features(image)
        case "mobilenet_v2":
            return mobilenet_v2_features(image, alpha=alpha)
        case "resnet50":
            x = centred_bgr(image)
            return keras.applications.ResNet50(include_top=False, weights=None, input_tensor=x).output
        case _:
            raise ValueError(f"backbone must be one of {', '.join(BACKBONES)}, received: {backbone}")
