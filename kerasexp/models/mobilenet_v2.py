"""MobileNetV2, in the layout of Keras (whose ImageNet weights it takes) and in that of torchvision."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import keras
from keras import initializers, layers

from kerasexp.models.preprocessing import IMAGENET_MEAN, IMAGENET_STD, normalized, resized
from kerasexp.models.torch_layers import linear

# channels, number of blocks, stride of the first of them, expansion (table 2 of the paper)
_STAGES = ((16, 1, 1, 1), (24, 2, 2, 6), (32, 3, 2, 6), (64, 4, 2, 6), (96, 3, 1, 6), (160, 3, 2, 6), (320, 1, 1, 6))


@dataclasses.dataclass(frozen=True)
class _Layout:
    """What Keras and torchvision do differently in the same network.

    Attributes:
        symmetric: whether a convolution with stride 2 gets zeros on all sides whatever the size.
        epsilon: of batch normalisation.
        kernel: initialiser of a convolution, from the number of values that one input value reaches.
        head: the last dense layer, from its input, width and name.
    """

    symmetric: bool
    epsilon: float
    kernel: Callable[[int], Any]
    head: Callable[[Any, int, str], Any]


def _he_normal(fan_out: int) -> Any:
    return initializers.RandomNormal(stddev=math.sqrt(2 / fan_out))


def _small_normal(x: Any, units: int, name: str) -> Any:
    return layers.Dense(units, kernel_initializer=initializers.RandomNormal(stddev=0.01), name=name)(x)


# the study put a new layer of PyTorch's own on the pretrained network; torchvision's fresh network brings one
_LAYOUTS = {
    "keras": _Layout(False, 1e-3, lambda fan_out: initializers.GlorotUniform(), linear),
    "torchvision": _Layout(True, 1e-5, _he_normal, _small_normal),
}
MOMENTUM = 0.9  # of batch normalisation: PyTorch's 0.1; Keras' own 0.999 would hardly adapt within an epoch


def mobilenet_v2(
    image_shape: tuple[int, int, int],
    classes: int,
    layout: str = "keras",
    alpha: float = 1.0,
    input_size: int | None = 224,
    dropout: float = 0.2,
) -> keras.Model:
    """MobileNetV2 with global average pooling, dropout and a dense layer.

    With 10 classes it has 2,270,794 parameters: 2,223,872 and 34,112 moving statistics up to the pooling, and 12,810.
    The layers are named as in `keras.applications`.

    Args:
        image_shape: height, width, channels.
        classes: width of the softmax.
        layout: `keras`: images in [-1, 1], zeros below and to the right before a stride of 2, epsilon 1e-3 in the batch
            normalisation, Glorot's initial weights, a dense layer as PyTorch starts it; what Keras' ImageNet weights
            need. `torchvision`: ImageNet's mean and standard deviation, zeros on all sides, epsilon 1e-5, He's initial
            weights by fan-out, a dense layer from N(0, 0.01); what the EuroSAT study trained from scratch.
        alpha: width of all layers but the last convolution, relative to the paper's.
        input_size: height and width that the images are resized to; None leaves them.
        dropout: rate before the dense layer.

    Returns:
        A model from images with values 0 to 255 (`float32` or `uint8`, `[batch, height, width, channels]`) to class
        probabilities (`float32`, `[batch, classes]`).

    References:
        Sandler et al., arXiv 1801.04381; keras.applications.MobileNetV2; torchvision.models.mobilenet_v2.
    """
    image = keras.Input(image_shape, name="image")
    x = mobilenet_v2_features(resized(image, input_size), layout, alpha)
    x = layers.GlobalAveragePooling2D(name="features")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    logits = _LAYOUTS[layout].head(x, classes, "logits")
    probabilities = layers.Softmax(name="probabilities")(logits)
    return keras.Model(image, probabilities, name="mobilenet_v2")


def mobilenet_v2_features(image: Any, layout: str = "keras", alpha: float = 1.0) -> Any:
    """The convolutional part, its preprocessing included, on images 0 to 255: a 32nd of their height and width."""
    if layout not in _LAYOUTS:
        raise ValueError(f"layout must be one of {', '.join(_LAYOUTS)}, received: {layout}")
    how = _LAYOUTS[layout]
    if layout == "keras":
        x = layers.Rescaling(1 / 127.5, offset=-1, name="mobilenet_v2_rescaling")(image)
    else:
        x = normalized(image, IMAGENET_MEAN, IMAGENET_STD, name="mobilenet_v2_")
    x = layers.ZeroPadding2D(_padding(x, how), name="Conv1_pad")(x)
    x = _convolution(x, _channels(32 * alpha), 3, how, "Conv1", stride=2)
    x = _normalization(x, how, "bn_Conv1")
    x = layers.ReLU(6.0, name="Conv1_relu")(x)
    number = 0
    for channels, blocks, stride, expansion in _STAGES:
        for block in range(blocks):
            name = f"block_{number}_" if number else "expanded_conv_"
            x = _block(x, _channels(int(channels * alpha)), 1 if block else stride, expansion, how, name)
            number += 1
    x = _convolution(x, _channels(1280 * max(alpha, 1.0)), 1, how, "Conv_1")
    x = _normalization(x, how, "Conv_1_bn")
    return layers.ReLU(6.0, name="out_relu")(x)


def _block(inputs: Any, channels: int, stride: int, expansion: int, how: _Layout, name: str) -> Any:
    """Widen, filter each channel by itself, narrow; added to the input where the shapes agree."""
    x = inputs
    if expansion > 1:
        x = _convolution(x, expansion * x.shape[-1], 1, how, f"{name}expand")
        x = _normalization(x, how, f"{name}expand_BN")
        x = layers.ReLU(6.0, name=f"{name}expand_relu")(x)
    if stride == 2:
        x = layers.ZeroPadding2D(_padding(x, how), name=f"{name}pad")(x)
    x = layers.DepthwiseConv2D(
        3,
        strides=stride,
        padding="same" if stride == 1 else "valid",
        use_bias=False,
        depthwise_initializer=how.kernel(9 * x.shape[-1]),  # PyTorch counts the groups' outputs together
        name=f"{name}depthwise",
    )(x)
    x = _normalization(x, how, f"{name}depthwise_BN")
    x = layers.ReLU(6.0, name=f"{name}depthwise_relu")(x)
    x = _convolution(x, channels, 1, how, f"{name}project")
    x = _normalization(x, how, f"{name}project_BN")
    if stride == 1 and inputs.shape[-1] == channels:
        return layers.Add(name=f"{name}add")([inputs, x])
    return x


def _convolution(x: Any, channels: int, kernel_size: int, how: _Layout, name: str, stride: int = 1) -> Any:
    kernel = how.kernel(kernel_size**2 * channels)
    return layers.Conv2D(channels, kernel_size, strides=stride, use_bias=False, kernel_initializer=kernel, name=name)(x)


def _normalization(x: Any, how: _Layout, name: str) -> Any:
    return layers.BatchNormalization(momentum=MOMENTUM, epsilon=how.epsilon, name=name)(x)


def _padding(x: Any, how: _Layout) -> tuple[tuple[int, int], ...]:
    """Zeros before a 3x3 convolution with stride 2: Keras puts none above and to the left of an even size."""
    return tuple((1 if how.symmetric else size % 2, 1) for size in x.shape[1:3])


def _channels(wanted: float) -> int:
    """The multiple of 8 nearest to `wanted`, not below 90 % of it."""
    nearest = max(8, int(wanted + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * wanted else nearest
