"""What the KMNIST networks leave open, and that the published ones are what they were."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from kerasexp.config.loading import load_experiment
from kerasexp.errors import UsageError
from kerasexp.models import build

SHAPE = (28, 28, 1)
NAMES = ("kmnist_cnn", "kmnist_fcnn")


def as_published(name: str) -> keras.Model:
    """The networks of the KMNIST study, written out layer by layer."""
    image = keras.Input(SHAPE, name="image")
    x = layers.Rescaling(1 / 255, name="rescaling")(image)
    if name == "kmnist_fcnn":
        x = layers.Flatten(name="flatten")(x)
        x = layers.Dense(1024, activation="relu", name="dense1")(x)
        x = layers.Dropout(0.25, name="dropout1")(x)
        x = layers.Dense(512, activation="relu", name="dense2")(x)
        x = layers.Dropout(0.5, name="dropout2")(x)
    else:
        x = layers.Conv2D(32, 3, activation="relu", name="conv1")(x)
        x = layers.Conv2D(64, 3, activation="relu", name="conv2")(x)
        x = layers.Dropout(0.25, name="dropout1")(layers.MaxPooling2D(2, name="pool")(x))
        x = layers.Dense(128, activation="relu", name="dense1")(layers.Flatten(name="flatten")(x))
        x = layers.Dropout(0.5, name="dropout2")(x)
    return keras.Model(image, layers.Dense(10, activation="softmax", name="probabilities")(x), name=name)


@pytest.mark.parametrize("name", NAMES)
def test_the_published_network_is_unchanged_bit_for_bit(name):
    models = []
    for make in (lambda: build(load_experiment(name), SHAPE, 10), lambda: as_published(name)):
        keras.backend.clear_session()
        keras.utils.set_random_seed(3)
        models.append(make())
    ours, theirs = models
    assert ours.get_config() == theirs.get_config()
    assert all(np.array_equal(a, b) for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True))


def open_network(name: str, *overrides: str) -> keras.Model:
    return build(load_experiment(name, overrides=[f"model.{override}" for override in overrides]), SHAPE, 10)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_left_open_is_built(name):
    model = open_network(name, "activation=gelu", "normalization=batch", "initialization=he_normal", "extra_layers=1")
    weighted = [layer for layer in model.layers[:-1] if isinstance(layer, layers.Dense | layers.Conv2D)]
    assert len(weighted) == {"kmnist_cnn": 4, "kmnist_fcnn": 3}[name]
    for layer in weighted:
        assert layer.activation is keras.activations.linear
        assert isinstance(layer.kernel_initializer, keras.initializers.HeNormal)
        assert isinstance(model.get_layer(f"{layer.name}_normalization"), layers.BatchNormalization)
        assert model.get_layer(f"{layer.name}_activation").activation is keras.activations.gelu
    probabilities = np.asarray(model(np.full((2, *SHAPE), 200, "uint8")))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("normalization=group", "normalization must be none, batch or layer, received: group"),
        ("activation=reelu", "reelu"),
        ("initialization=hee", "hee"),
        ("extra_layers=-1", "extra_layers must be 0 or more"),
    ],
)
def test_what_cannot_be_built_is_refused(name, override, message):
    with pytest.raises(UsageError, match=message):
        open_network(name, override)
