"""Maps of layers: exact logits, honest numbers, odd cases."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from kerasexp.errors import KerasexpError
from kerasexp.evaluation import embedding
from kerasexp.models.cnn import kmnist_cnn

RNG = np.random.default_rng(0)


def clusters(images: int, width: int, apart: float, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(images) % classes
    centres = apart * RNG.normal(size=(classes, width))
    return (centres[labels] + RNG.normal(size=(images, width))).astype(np.float32), labels


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(0)
    return kmnist_cnn((12, 12, 1), 3, filters=(2, 3), dense=5)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return RNG.integers(0, 256, (60, 12, 12, 1), np.uint8)


def test_the_logits_are_those_that_the_softmax_takes(model, images):
    outputs = embedding.layer_outputs(model, images, "flatten")
    assert outputs["intermediate"].shape == (60, 4 * 4 * 3)
    logits = outputs["final"]
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(
        shifted / shifted.sum(axis=1, keepdims=True), model.predict(images, verbose=0), atol=1e-6
    )
    assert logits.sum(axis=1).std() > 1e-3  # logarithms of probabilities would have lost this
    last = keras.Model(model.input, model.layers[-1].input).predict(images, verbose=0)
    kernel, bias = model.layers[-1].get_weights()
    np.testing.assert_allclose(logits, last @ kernel + bias, atol=1e-6)


def test_a_layer_of_images_becomes_rows(model, images):
    assert embedding.layer_outputs(model, images, "pool")["intermediate"].shape == (60, 48)


def test_wrong_layers_are_refused(model, images):
    with pytest.raises(KerasexpError, match='no layer "flaten". Did you mean "flatten"\\?'):
        embedding.layer_outputs(model, images, "flaten")
    image = keras.Input((12, 12, 1))
    open_end = keras.Model(image, layers.Flatten(name="end")(image))
    with pytest.raises(KerasexpError, match="has none"):
        embedding.layer_outputs(open_end, images, "end")


def test_both_layers_get_a_map(model, images):
    maps = embedding.layer_maps(model, images, np.arange(60) % 3, "flatten")
    assert list(maps) == ["intermediate", "final"]
    assert [one.numbers["layer"] for one in maps.values()] == ["flatten", "probabilities"]
    assert all(one.points.shape == (60, 2) and np.isfinite(one.points).all() for one in maps.values())


def test_separate_classes_are_pure_and_mixed_ones_are_not():
    features, labels = clusters(150, 60, apart=3)
    apart = embedding.layer_map(features, labels, "a")
    mixed = embedding.layer_map(features, RNG.permutation(labels), "a")
    assert apart.numbers["components"] == 50
    assert apart.numbers["knn_purity"]["map"] > 0.99
    assert apart.numbers["knn_purity"]["features"] > 0.99
    assert mixed.numbers["knn_purity"]["features"] < 0.45
    assert apart.numbers["trustworthiness"] > 0.7
    assert apart.numbers["line"] is None


def test_same_features_same_map():
    features, labels = clusters(60, 10, apart=3)
    first = embedding.layer_map(features, labels, "a").points
    assert (embedding.layer_map(features, labels, "a").points == first).all()


def test_purity_by_hand():
    features = np.array([[0.0], [1.0], [2.1], [10.0], [11.0]])
    # neighbors: 0-1, 1-0, 2-1, 3-4, 4-3
    assert embedding.knn_purity(features, np.array([0, 0, 1, 1, 0]), neighbors=1) == pytest.approx(2 / 5)


def test_the_line_counts_its_errors():
    points = np.array([[x, y] for x in (-3.0, -2.0, 2.0, 3.0) for y in range(5)], np.float32) + 100
    labels = (points[:, 0] > 100).astype(int)
    exact = embedding.separating_line(points, labels)
    assert exact["errors"] == 0
    side = points @ np.array(exact["weights"]) + exact["bias"]
    assert ((side > 0) == (labels == 1)).all()
    labels[0] = 1  # among the others
    assert embedding.separating_line(points, labels)["errors"] == 1


def test_two_classes_get_a_line_only_if_asked():
    features, labels = clusters(40, 4, apart=4, classes=2)
    assert embedding.layer_map(features, labels, "a", line=True).numbers["line"]["errors"] <= 2
    assert embedding.layer_map(features, labels, "a").numbers["line"] is None


@pytest.mark.parametrize(
    ("features", "reason"),
    [
        (np.ones((40, 5), np.float32), "the same of every image"),
        (RNG.normal(size=(5, 5)).astype(np.float32), "5 images are too few"),
        (RNG.normal(size=(40, 1)).astype(np.float32), "a single number"),
    ],
)
def test_no_map_has_a_reason(features, reason):
    result = embedding.layer_map(features, np.arange(len(features)) % 2, "a", line=True)
    assert result.points is None
    assert reason in result.numbers["reason"]


def test_the_first_images_or_some_of_every_class():
    assert embedding.first_images(np.array([2, 0, 1, 0, 2]), 3).tolist() == [0, 1, 2]
    assert embedding.first_images(np.array([2, 0, 1]), 5).tolist() == [0, 1, 2]
    in_order = np.repeat([0, 1, 2], 10)
    assert np.bincount(in_order[embedding.first_images(in_order, 9)]).tolist() == [3, 3, 3]
