"""Layers read from real networks, and drawn."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from kerasexp.config.loading import load_experiment
from kerasexp.models import build
from kerasexp.reporting.figures.model import layers_of, network


def test_layers_of_the_kmnist_network():
    rows = layers_of(build(load_experiment("kmnist_cnn"), (28, 28, 1), 10))
    assert sum(row.parameters for row in rows) == 1_199_882
    by_name = {row.name: row for row in rows}
    assert by_name["conv2"].shape == (24, 24, 64)
    assert by_name["conv2"].settings == "64 filters, 3×3, relu"
    assert by_name["conv2"].sources == ("conv1",)
    assert by_name["dropout1"].settings == "rate 0.25"
    assert by_name["image"].sources == ()


def test_branches_and_frozen_layers():
    image = keras.Input((8, 8, 3), name="image")
    frozen = layers.Conv2D(4, 3, padding="same", strides=2, name="frozen", trainable=False)(image)
    pooled = layers.AveragePooling2D(2, name="pooled")(image)
    joined = layers.Concatenate(name="joined")([frozen, pooled])
    rows = {row.name: row for row in layers_of(keras.Model(image, joined))}
    assert set(rows["joined"].sources) == {"frozen", "pooled"}
    assert (rows["frozen"].parameters, rows["frozen"].trainable) == (112, 0)
    assert rows["frozen"].settings == "4 filters, 3×3, stride 2, same"
    figure = network(list(rows.values()))
    assert len([patch for patch in figure.axes[0].patches if type(patch).__name__ == "FancyArrowPatch"]) == 4


def test_sequential_network():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="a"), layers.Dense(2, name="b")])
    assert [(row.name, row.sources) for row in layers_of(model)] == [("a", ()), ("b", ("a",))]


def test_boxes_narrow_with_the_number_of_values():
    rows = layers_of(build(load_experiment("kmnist_fcnn"), (28, 28, 1), 10))
    widths = [patch.get_width() for patch in network(rows).axes[0].patches if hasattr(patch, "get_boxstyle")][::2]
    assert len(widths) == len(rows)
    assert np.argmin(widths) == len(rows) - 1
