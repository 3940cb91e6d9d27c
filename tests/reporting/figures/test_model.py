"""Layers read from real networks, and drawn."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from kerasexp.config.loading import load_experiment
from kerasexp.models import build
from kerasexp.models.vgg16 import vgg16
from kerasexp.reporting.figures.model import blocks_of, layers_of, network


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
    assert (rows["frozen"].parameters, rows["frozen"].trainable, rows["frozen"].training) == (112, 0, "frozen")
    assert rows["frozen"].settings == "4 filters, 3×3, stride 2, same"
    figure = network(list(rows.values()))
    assert arrows(figure) == 4


def arrows(figure) -> int:
    return len([patch for patch in figure.axes[0].patches if type(patch).__name__ == "FancyArrowPatch"])


def test_mobilenet_fits_on_a_page():
    image = keras.Input((64, 64, 3), name="image")
    base = keras.applications.MobileNetV2(input_tensor=image, include_top=False, weights=None)
    base.trainable = False
    pooled = layers.GlobalAveragePooling2D(name="pool")(base.output)
    model = keras.Model(image, layers.Dense(5, activation="softmax", name="probabilities")(pooled))
    rows = layers_of(model)
    blocks = blocks_of(rows)
    assert len(rows) > 150
    assert len(blocks) < 30
    by_name = {row.name: row for row in blocks}
    assert by_name["block_3"].settings == "9 layers, stride 2"
    assert by_name["block_4"].settings == "9 layers, residual"
    assert by_name["block_4"].sources == ("block_3",)
    assert by_name["Conv1"].settings == "32 filters, 3×3, stride 2, same, norm, ReLU"
    assert {row.training for row in blocks} == {"", "frozen", "trained"}
    assert by_name["probabilities"].training == "trained"
    assert sum(row.layers for row in blocks) == len(rows)
    assert sum(row.parameters for row in blocks) == sum(row.parameters for row in rows)
    assert arrows(network(blocks)) == len(blocks) - 1


def test_branches_come_one_after_the_other():
    image = keras.Input((8, 8, 3), name="image")
    ends = []
    for branch in "ab":
        x = image
        for number in range(16):
            x = layers.Conv2D(2, 1, name=f"{branch}{number}")(x)
        ends.append(x)
    joined = layers.Concatenate(name="joined")(ends)
    blocks = blocks_of(layers_of(keras.Model(image, joined)))
    first = [row.name[0] for row in blocks[1:17]]
    assert first == [first[0]] * 16
    assert blocks[-1].name == "joined"
    assert arrows(network(blocks)) == 34


def test_names_that_make_a_circle_change_nothing():
    x = image = keras.Input((8, 8, 3), name="image")
    for number in range(32):
        x = layers.Conv2D(2, 1, name=f"block_{number % 2}_conv{number}")(x)
    rows = layers_of(keras.Model(image, x))
    assert blocks_of(rows) == rows


def test_sequential_network():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="a"), layers.Dense(2, name="b")])
    assert [(row.name, row.sources) for row in layers_of(model)] == [("a", ()), ("b", ("a",))]


def test_boxes_narrow_with_the_number_of_values():
    rows = layers_of(build(load_experiment("kmnist_fcnn"), (28, 28, 1), 10))
    widths = [patch.get_width() for patch in network(rows).axes[0].patches if hasattr(patch, "get_boxstyle")][::2]
    assert len(widths) == len(rows)
    assert np.argmin(widths) == len(rows) - 1


def test_plain_operations_are_part_of_the_network():
    rows = layers_of(vgg16((32, 32, 3), 3, input_size=32, head="relu"))
    flip = next(layer for layer in rows if layer.kind == "Flip")
    assert (flip.parameters, flip.training, flip.sources) == (0, "", ("normalization",))
    after = next(layer for layer in rows if layer.name == "block1_conv1")
    assert after.sources == (flip.name,)
    network(rows)
