"""The published parameter counts of the small networks, and what their settings change."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kerasexp.models import network, parameter_count

MNIST, CIFAR = (28, 28, 1), (32, 32, 3)
COUNTS = [  # trainable, and with moving statistics
    ("cnn.simple_cnn", MNIST, {}, 813_802, 813_802),
    ("cnn.simple_cnn", MNIST, {"hidden": None}, 72_298, 72_298),
    ("alexnet.alexnet48", CIFAR, {}, 6_199_498, 6_199_498),
    ("cnn.cnn_base", CIFAR, {}, 4_218_842, 4_218_842),
    ("cnn.cnn_v2", CIFAR, {}, 246_346, 246_826),
    ("cnn.cnn_v3", CIFAR, {}, 1_574_698, 1_576_682),
    ("cnn.cnn_v3", CIFAR, {"dropout": 0.3}, 1_574_698, 1_576_682),
]
NAMES = sorted({name for name, *_ in COUNTS})
SHAPES = {name: shape for name, shape, *_ in COUNTS}


@pytest.mark.parametrize(("name", "shape", "settings", "trainable", "total"), COUNTS)
def test_published_parameter_count(name, shape, settings, trainable, total):
    model = network(name)(shape, 10, **settings)
    assert parameter_count(model, trainable=True) == trainable
    assert parameter_count(model) == total


@pytest.mark.parametrize("name", NAMES)
def test_probabilities_of_whatever_images_there_are(name):
    settings = {"mean": None, "std": None} if name == "cnn.simple_cnn" else {}
    model = network(name)((36, 40, 3), 4, **settings)
    output = np.asarray(model(np.random.default_rng(0).integers(0, 256, (2, 36, 40, 3), np.uint8)))
    assert output.shape == (2, 4)
    assert output.dtype == np.float32
    np.testing.assert_allclose(output.sum(axis=1), 1, rtol=1e-5)
    assert np.abs(output[0] - output[1]).max() > 0


@pytest.mark.parametrize("name", NAMES)
def test_layers_that_others_look_for(name):
    model = network(name)(SHAPES[name], 10)
    assert model.layers[-1].name == "probabilities"
    assert model.layers[-2].name == "logits"
    assert len(model.get_layer("flatten").output.shape) == 2
    assert all(layer.__class__.__module__.startswith("keras.") for layer in model.layers)


def test_the_loss_finds_the_logits_behind_the_softmax():
    model = network("cnn.cnn_v3")(CIFAR, 10)
    model.get_layer("logits").bias.assign([0.0] * 9 + [200.0])  # its exp is too large for float32
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss="sparse_categorical_crossentropy")
    loss = model.train_on_batch(np.zeros((1, *CIFAR), "uint8"), np.zeros(1))
    assert loss == pytest.approx(200, abs=1)  # from clipped probabilities it would be 16
    assert model.get_layer("logits").bias.numpy()[9] == pytest.approx(199.9, abs=1e-3)


def test_normalisation_is_inside():
    model = network("cnn.simple_cnn")(MNIST, 10)
    inside = keras.Model(model.input, model.get_layer("normalization").output)
    images = np.full((1, *MNIST), 255, "uint8")
    assert np.asarray(inside(images))[0, 0, 0, 0] == pytest.approx((1 - 0.1307) / 0.3081, rel=1e-5)
    plain = network("cnn.cnn_base")(CIFAR, 10)
    assert "normalization" not in [layer.name for layer in plain.layers]
    assert plain.get_layer("rescaling").scale == pytest.approx(1 / 255)


def test_normalisation_needs_one_value_or_one_for_each_channel():
    of_one = network("cnn.simple_cnn")(CIFAR, 10, mean=[0.2], std=[0.1])
    of_three = network("cnn.simple_cnn")(CIFAR, 10, mean=[0.2] * 3, std=[0.1] * 3)
    one, three = (model.get_layer("normalization").get_config() for model in (of_one, of_three))
    assert (one["mean"], one["variance"]) == (three["mean"], three["variance"])
    with pytest.raises(ValueError, match="must have one value, or 3"):
        network("cnn.simple_cnn")(CIFAR, 10, mean=[0.2] * 2, std=[0.1] * 2)
    with pytest.raises(ValueError, match="must have one value, or 3"):
        network("alexnet.alexnet48")(CIFAR, 10, mean=None)


def test_dropout_rates_of_cnn_v3():
    def rates(model):
        return [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)]

    build = network("cnn.cnn_v3")
    assert rates(build(CIFAR, 10)) == [0.2, 0.3, 0.4, 0.5, 0.5]
    assert rates(build(CIFAR, 10, dropout=0.4)) == [0.4] * 5
    with pytest.raises(ValueError, match="one rate or 5"):
        build(CIFAR, 10, dropout=[0.1, 0.2])


def test_the_seed_decides_the_weights():
    def weights(seed):
        keras.utils.set_random_seed(seed)
        return network("cnn.cnn_v2")(CIFAR, 10).get_weights()

    first, again, other = weights(1), weights(1), weights(2)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])
