"""Layers against the numbers that PyTorch gave (benchmarks/torch_numbers.py writes them)."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from kerasexp import files
from kerasexp.models.torch_layers import batch_normalization, convolution, linear


@pytest.fixture(scope="module")
def numbers():
    return files.read_npz(Path(__file__).parent / "numbers" / "torch_layers.npz")


def channels_last(array):
    return np.moveaxis(array, -3, -1)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [(5, 2, 2), (11, 4, 2), (3, 2, 1), (5, 1, 2), (3, 1, 1)], ids=str
)
def test_convolutions_pad_all_sides_alike(numbers, kernel, stride, padding):
    x, weight, bias, y = (numbers[f"conv_{kernel}_{stride}_{padding}_{key}"] for key in ("x", "weight", "bias", "y"))
    image = keras.Input(channels_last(x).shape[1:])
    model = keras.Model(image, convolution(image, 4, kernel, "conv", stride, padding))
    model.get_layer("conv").set_weights([weight.transpose(2, 3, 1, 0), bias])
    np.testing.assert_allclose(model(channels_last(x)), channels_last(y), atol=2e-6)
    if stride > 1 and x.shape[-1] % 2 == 0:  # what Keras does by itself is something else
        keras_own = layers.Conv2D(4, kernel, stride, padding="same")
        keras_own.build((None, *channels_last(x).shape[1:]))
        keras_own.set_weights([weight.transpose(2, 3, 1, 0), bias])
        assert np.abs(np.asarray(keras_own(channels_last(x))) - channels_last(y)).max() > 0.1


def test_adaptive_pooling_of_7_to_6_is_an_average_of_2x2(numbers):
    pooled = layers.AveragePooling2D(2, strides=1)(channels_last(numbers["pool_x"]))
    np.testing.assert_allclose(pooled, channels_last(numbers["pool_y"]), atol=1e-6)


def test_batch_normalization(numbers):
    x = channels_last(numbers["bn_x"])
    image = keras.Input(x.shape[2:])
    model = keras.Model(image, batch_normalization(image, "bn"))
    layer = model.get_layer("bn")
    layer.set_weights([numbers["bn_gamma"], numbers["bn_beta"], np.zeros(3), np.ones(3)])
    values = x[0, ..., 0].size
    biased = np.ones(3)  # PyTorch's moving variance, had it been estimated as Keras does
    for batch in range(3):
        np.testing.assert_allclose(model(x[batch], training=True), channels_last(numbers[f"bn_y{batch}"]), atol=2e-6)
        np.testing.assert_allclose(layer.moving_mean, numbers[f"bn_mean{batch}"], atol=1e-6)
        before = numbers[f"bn_variance{batch - 1}"] if batch else np.ones(3)
        of_batch = (numbers[f"bn_variance{batch}"] - 0.9 * before) / 0.1
        biased = 0.9 * biased + 0.1 * of_batch * (values - 1) / values
        np.testing.assert_allclose(layer.moving_variance, biased, rtol=1e-5)
    # the one difference that remains: 1 of 200 values here
    np.testing.assert_allclose(model(x[3]), channels_last(numbers["bn_predicted"]), rtol=0.005, atol=0.005)


@pytest.mark.parametrize(
    ("name", "initialization", "shape"),
    [
        ("conv", "default", (8, 8, 32)),
        ("conv_he", "he_glorot", (8, 8, 32)),
        ("linear", "default", (512,)),
        ("linear_glorot", "he_glorot", (512,)),
    ],
)
def test_initial_weights(numbers, name, initialization, shape):
    keras.utils.set_random_seed(0)
    weights, biases = [], []
    for _ in range(20):
        x = keras.Input(shape)
        if name.startswith("conv"):
            model = keras.Model(x, convolution(x, 32, 3, "layer", initialization=initialization))
        else:
            model = keras.Model(x, linear(x, 64, "layer", initialization=initialization))
        kernel, bias = model.get_layer("layer").get_weights()
        weights.append(kernel.ravel())
        biases.append(bias)
    assert not np.array_equal(weights[0], weights[1])
    for part, values in (("weight", np.concatenate(weights)), ("bias", np.concatenate(biases))):
        smallest, largest, std = numbers[f"init_{name}_{part}"]
        # 184,320 weights: their standard deviation is known to 0.2 %; 640 biases: to 3 %
        assert values.std() == pytest.approx(std, rel=0.01 if part == "weight" else 0.08)
        if initialization == "default":
            assert values.min() == pytest.approx(smallest, rel=0.02)
            assert values.max() == pytest.approx(largest, rel=0.02)
            assert values.min() >= smallest * 1.001


def test_an_unknown_initialization_is_refused():
    with pytest.raises(ValueError, match="default, he_glorot"):
        linear(keras.Input((4,)), 2, "layer", initialization="glorot")
