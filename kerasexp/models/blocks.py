"""What the KMNIST networks leave open: the activation, the normalisation and the initialisation of a layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import layers

NORMALIZATIONS: dict[str, Callable[..., keras.layers.Layer]] = {
    "batch": layers.BatchNormalization,
    "layer": layers.LayerNormalization,
}


def activated(
    x: Any,
    make: Callable[..., keras.layers.Layer],
    *size: int,
    name: str,
    activation: str,
    normalization: str,
    initialization: str,
) -> Any:
    """A layer with weights, then its normalisation if it has one, then its activation.

    Args:
        x: what goes in.
        make: `layers.Dense` or `layers.Conv2D`.
        *size: its first arguments.
        name: of the layer.
        activation: a name that Keras knows.
        normalization: `none`, `batch` or `layer`.
        initialization: of the kernel, a name that Keras knows.

    Raises:
        ValueError: for a name that is unknown.
    """
    if normalization == "none":
        return make(*size, activation=activation, kernel_initializer=initialization, name=name)(x)
    if normalization not in NORMALIZATIONS:
        raise ValueError(f"normalization must be none, batch or layer, received: {normalization}")
    x = make(*size, kernel_initializer=initialization, name=name)(x)
    x = NORMALIZATIONS[normalization](name=f"{name}_normalization")(x)
    return layers.Activation(activation, name=f"{name}_activation")(x)
