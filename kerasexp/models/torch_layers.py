"""Layers with PyTorch's conventions, for the studies that used it.

They differ from Keras' own in the initial weights (uniform within +-1/sqrt(fan_in), biases too), in the padding of
convolutions with a stride (the same on all sides) and in the constants of batch normalisation. One difference remains:
PyTorch estimates the moving variance without bias (n - 1), Keras with it (n), n values per channel in a batch. Training
is the same; with 64 images of 8x8 the variance used for predictions differs by 0.02 %.

References:
    torch.nn.Conv2d, Linear, BatchNorm2d; compared with their numbers in tests/models (benchmarks/torch_numbers.py).
"""

from __future__ import annotations

import math
from typing import Any

from keras import initializers, layers

INITIALIZATIONS = ("default", "he_glorot")


def convolution(
    x: Any,
    filters: int,
    kernel_size: int,
    name: str,
    stride: int = 1,
    padding: int = 0,
    use_bias: bool = True,
    activation: str | None = None,
    initialization: str = "default",
) -> Any:
    """`torch.nn.Conv2d`.

    Args:
        x: `[batch, height, width, channels]`.
        filters: output channels.
        kernel_size: height and width of the kernel.
        name: of the layer; the padding before it, where one is needed, is called `<name>_pad`.
        stride: in both directions.
        padding: zeros on each of the four sides.
        use_bias: whether there is a bias.
        activation: a Keras activation, or None.
        initialization: `default`, PyTorch's own, or `he_glorot` (`torch.nn.init`'s `kaiming_normal_`, zero bias).

    Returns:
        `[batch, height', width', filters]`.
    """
    same = stride == 1 and kernel_size == 2 * padding + 1  # then Keras pads all sides alike
    if padding and not same:
        x = layers.ZeroPadding2D(padding, name=f"{name}_pad")(x)
    kernel, bias = _initializers(initialization, kernel_size**2 * x.shape[-1], "fan_in")
    return layers.Conv2D(
        filters,
        kernel_size,
        strides=stride,
        padding="same" if same else "valid",
        use_bias=use_bias,
        activation=activation,
        kernel_initializer=kernel,
        bias_initializer=bias,
        name=name,
    )(x)


def linear(x: Any, units: int, name: str, activation: str | None = None, initialization: str = "default") -> Any:
    """`torch.nn.Linear`.

    Args:
        x: `[batch, features]`.
        units: output features.
        name: of the layer.
        activation: a Keras activation, or None.
        initialization: `default`, PyTorch's own, or `he_glorot` (`xavier_normal_` with gain sqrt(2), zero bias).

    Returns:
        `[batch, units]`.
    """
    kernel, bias = _initializers(initialization, x.shape[-1], "fan_avg")
    return layers.Dense(units, activation, kernel_initializer=kernel, bias_initializer=bias, name=name)(x)


def batch_normalization(x: Any, name: str) -> Any:
    """`torch.nn.BatchNorm2d`: its momentum of 0.1 for the new value is Keras' 0.9 for the old one."""
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)(x)


def _initializers(initialization: str, fan_in: int, mode: str) -> tuple[Any, Any]:
    """Fresh initialisers of a kernel and its bias: one that is used twice would draw the same numbers twice."""
    if initialization == "default":
        limit = 1 / math.sqrt(fan_in)
        return initializers.RandomUniform(-limit, limit), initializers.RandomUniform(-limit, limit)
    if initialization == "he_glorot":
        return initializers.VarianceScaling(2.0, mode, "untruncated_normal"), initializers.Zeros()
    raise ValueError(f"initialization must be one of {', '.join(INITIALIZATIONS)}, received: {initialization}")
