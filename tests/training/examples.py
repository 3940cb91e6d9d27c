"""A small network with a frozen part, and stages that train it, for the tests of this room."""

from __future__ import annotations

import keras
import numpy as np

from kerasexp.config.loading import load_experiment
from kerasexp.config.schema import Stage
from kerasexp.data.dataset import Dataset, Split


def branched_network() -> keras.Model:
    """Two branches that meet, a pooling, dropout and two dense layers."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 1), name="image")
    x = keras.layers.Rescaling(1 / 255, name="rescaling")(image)
    left = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="left")(x)
    right = keras.layers.Conv2D(4, 3, padding="same", use_bias=False, name="right")(x)
    right = keras.layers.BatchNormalization(momentum=0.9, name="bn")(right)
    x = keras.layers.Concatenate(name="joined")([left, right])
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    x = keras.layers.Dropout(0.5, name="dropout")(x)
    x = keras.layers.Dense(6, activation="relu", name="dense")(x)
    logits = keras.layers.Dense(3, name="logits")(x)
    return keras.Model(image, keras.layers.Softmax(name="probabilities")(logits))


def stage(**changes) -> Stage:
    base = load_experiment("mnist_simplecnn")
    return Stage.model_validate({**{key: getattr(base, key) for key in Stage.model_fields}, **changes})


def images(count: int, seed: int = 0, first: int = 0) -> Split:
    """Noise in three brightnesses, one for each class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, count)
    x = np.clip(rng.normal(60 + 60 * y[:, None, None, None], 40, (count, 8, 8, 1)), 0, 255).astype("uint8")
    return Split(x, y.astype("int64"), np.arange(first, first + count))


def small_dataset() -> Dataset:
    return Dataset("small", images(40, 0), images(12, 1), ("a", "b", "c"), "made", validation=images(10, 2, first=40))
