"""What the networks do to an image first, in built-in layers, so that a saved model takes images as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import layers, ops

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of red, green and blue in [0, 1], as torchvision's weights want them
IMAGENET_STD = (0.229, 0.224, 0.225)


def resized(image: Any, input_size: int | None) -> Any:
    """Images of `input_size` x `input_size`, bilinear; as they are where they have that size or it is None."""
    if input_size is None or tuple(image.shape[1:3]) == (input_size, input_size):
        return image
    return layers.Resizing(input_size, input_size, name="resizing")(image)


def normalized(image: Any, mean: Sequence[float] | None, std: Sequence[float] | None, name: str = "") -> Any:
    """Images scaled to [0, 1] and then to `(image - mean) / std`.

    Args:
        image: values 0 to 255, `[batch, height, width, channels]`.
        mean: of each channel in [0, 1], or one for all of them; None leaves the images in [0, 1].
        std: standard deviation likewise.
        name: put before the names of the layers.

    Raises:
        ValueError: for another number of values.
    """
    x = layers.Rescaling(1 / 255, name=f"{name}rescaling")(image)
    if mean is None and std is None:
        return x
    channels = image.shape[-1]
    if mean is None or std is None or not (len(mean) in (1, channels) and len(std) in (1, channels)):
        raise ValueError(
            f"model.mean and model.std must have one value, or {channels}, one per channel, received: {mean}, {std}"
        )
    means, deviations = (list(values) * (channels if len(values) == 1 else 1) for values in (mean, std))
    variance = [value**2 for value in deviations]
    return layers.Normalization(mean=means, variance=variance, name=f"{name}normalization")(x)


def centred_bgr(image: Any) -> Any:
    """Blue, green and red minus their means over ImageNet, not scaled: what VGG16 and ResNet50 of Keras want.

    Args:
        image: red, green and blue, values 0 to 255, `[batch, height, width, 3]`.

    Raises:
        ValueError: if the images have no three channels.

    References:
        keras.applications.vgg16.preprocess_input.
    """
    if image.shape[-1] != 3:
        raise ValueError(f"images must have the 3 channels red, green, blue, received: {image.shape[-1]}")
    x = layers.Normalization(mean=[123.68, 116.779, 103.939], variance=[1.0] * 3, name="normalization")(image)
    return ops.flip(x, axis=-1)
