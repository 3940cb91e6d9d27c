"""The frozen part is cut at its narrowest, computed once, and changes no result."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from kerasexp import environment
from kerasexp.config.loading import load_experiment
from kerasexp.data.pipeline import ordered_batches
from kerasexp.training.cache import FeatureCache
from kerasexp.training.features import FrozenPart, cut_layer, obstacle
from tests.training.examples import branched_network, small_dataset, stage

PLAIN = load_experiment("mnist_simplecnn").augmentation
STATIC = PLAIN.model_copy(update={"copies": 3, "static": True})
HEAD = stage(trainable_from="dense")


def unsaid(text: str) -> None:
    pass


def part(tmp_path, augmentation=PLAIN, model=None):
    return FrozenPart.of(model or branched_network(), HEAD, augmentation, 7, FeatureCache(tmp_path))


def test_the_cut_is_the_narrowest_tensor_that_all_passes_through():
    model = branched_network()
    assert cut_layer(model, HEAD) == "features"
    assert cut_layer(model, stage(trainable_from="logits")) == "features"  # not after the dropout
    assert cut_layer(model, stage(trainable_from="features")) == "joined"  # wider than the image, but all is computed
    assert cut_layer(model, stage(trainable_from="bn")) is None  # the other branch passes by and is trained


@pytest.mark.parametrize(
    ("changes", "augmentation", "reason"),
    [
        ({}, PLAIN, "every layer is trained"),
        ({"trainable_from": "dense"}, PLAIN.model_copy(update={"copies": 1, "static": False}), "augmented afresh"),
        ({"trainable_from": "dense", "batch_norm": "adapting"}, PLAIN, "BatchNorm statistics"),
        ({"trainable_from": "dense"}, PLAIN, ""),
        ({"trainable_from": "dense"}, STATIC, ""),
    ],
)
def test_what_cannot_be_kept_says_why(changes, augmentation, reason):
    found = obstacle(branched_network(), stage(**changes), augmentation)
    assert reason in found
    assert bool(reason) == bool(found)


def test_head_and_tail_are_the_network(tmp_path):
    model, dataset = branched_network(), small_dataset()
    frozen = part(tmp_path, model=model)
    features = frozen.features_of(dataset, unsaid)
    for split, images in ((features.train, dataset.train), (features.validation, dataset.validation)):
        np.testing.assert_allclose(frozen.tail(split.x).numpy(), model(images.x).numpy(), atol=1e-6)
        assert np.array_equal(split.y, images.y)
    assert features.test.x.shape == (12, 8)


def test_another_split_of_the_same_images_computes_nothing_again(tmp_path):
    dataset = small_dataset()
    part(tmp_path).features_of(dataset, unsaid)
    everything = np.concatenate([dataset.train.x, dataset.validation.x])
    labels = np.concatenate([dataset.train.y, dataset.validation.y])
    order = np.random.default_rng(5).permutation(50)
    other = dataclasses.replace(
        dataset,
        train=dataclasses.replace(dataset.train, x=everything[order[:30]], y=labels[order[:30]], index=order[:30]),
        validation=dataclasses.replace(dataset.train, x=everything[order[30:]], y=labels[order[30:]], index=order[30:]),
    )
    said = []
    model = branched_network()
    frozen = part(tmp_path, model=model)
    features = frozen.features_of(other, said.append)
    assert said == []
    np.testing.assert_allclose(frozen.tail(features.train.x).numpy(), model(other.train.x).numpy(), atol=1e-6)


def test_other_weights_are_other_features(tmp_path):
    dataset = small_dataset()
    part(tmp_path).features_of(dataset, unsaid)
    model = branched_network()
    model.get_layer("left").set_weights([weight + 1 for weight in model.get_layer("left").get_weights()])
    said = []
    part(tmp_path, model=model).features_of(dataset, said.append)
    assert len(said) == 2


@pytest.mark.parametrize("differs", ["precision", "tensorflow", "gpu", "threads"])
def test_what_changes_their_bits_makes_other_features(tmp_path, monkeypatch, differs):
    """The machine cannot be another one here; the precision can."""
    dataset, said = small_dataset(), []
    part(tmp_path).features_of(dataset, unsaid)
    for name in ("versions", "hardware"):
        known = getattr(environment, name)()
        monkeypatch.setattr(environment, name, lambda known=known: {**known, differs: "another"})
    environment.start_tensorflow("bfloat16" if differs == "precision" else "float32")
    try:
        part(tmp_path).features_of(dataset, said.append)
    finally:
        environment.start_tensorflow("float32")
    assert len(said) == 2


def test_static_copies_are_those_that_training_sees(tmp_path):
    model, dataset = branched_network(), small_dataset()
    frozen = part(tmp_path, STATIC, model)
    features = frozen.features_of(dataset, unsaid)
    assert len(features.train) == 120
    images = np.concatenate([x for x, _ in ordered_batches(dataset.train, 3, 7, STATIC)])
    np.testing.assert_allclose(frozen.tail(features.train.x).numpy(), model(images).numpy(), atol=1e-6)
    assert np.array_equal(features.train.y, np.tile(dataset.train.y, 3))
