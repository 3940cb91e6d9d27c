"""First-layer weights as pictures, from real networks."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kerasexp.evaluation.filters import convolution_kernels, dense_pictures, filter_pictures
from kerasexp.models.cnn import kmnist_cnn
from kerasexp.models.dense import kmnist_fcnn


def test_kernels_of_both_convolutions() -> None:
    model = kmnist_cnn((14, 14, 1), 3, filters=(4, 6), dense=8)
    kernels = convolution_kernels(model)
    assert [(name, kernel.shape) for name, kernel in kernels] == [("conv1", (3, 3, 1, 4)), ("conv2", (3, 3, 4, 6))]
    np.testing.assert_array_equal(kernels[1][1], model.get_layer("conv2").get_weights()[0])
    assert dense_pictures(model) is None


def test_pictures_follow_the_study() -> None:
    kernel = np.zeros((2, 2, 2, 2), np.float32)
    kernel[..., 0, 0] = [[1, 2], [3, 4]]
    kernel[..., 0, 1] = 4
    kernel[..., 1, 1] = 9  # channel 1 is not drawn, but the layer's range is
    kernel[0, 0, 1, 0] = -1
    pictures = filter_pictures(kernel)
    assert pictures.shape == (2, 2, 2)
    np.testing.assert_allclose(pictures[0], [[0.2, 0.3], [0.4, 0.5]], rtol=1e-6)
    np.testing.assert_allclose(pictures[1], 0.5, rtol=1e-6)
    np.testing.assert_array_equal(filter_pictures(np.ones((3, 3, 1, 2), np.float32)), 0.5)


@pytest.mark.parametrize("shape", [(6, 5, 1), (4, 5, 3)])
def test_dense_weights_lie_where_their_pixels_lie(shape: tuple[int, int, int]) -> None:
    model = kmnist_fcnn(shape, 3, units=(7, 4))
    found = dense_pictures(model)
    assert found is not None
    name, pictures = found
    assert name == "dense1"
    assert pictures.shape == (*shape, 7)
    # the network itself says which pixel a weight belongs to: unit 2 reacts to pixel (1, 3) by its weight
    layer = keras.Model(model.input, model.get_layer("flatten").output)
    image = np.zeros((1, *shape), np.float32)
    image[0, 1, 3, -1] = 255
    reaction = np.asarray(layer(image)) @ model.get_layer("dense1").get_weights()[0]
    assert reaction[0, 2] == pytest.approx(pictures[1, 3, -1, 2], rel=1e-6)
    assert convolution_kernels(model) == []


def test_filters_on_colour_images_are_in_colour() -> None:
    kernel = np.zeros((1, 1, 3, 2), np.float32)
    kernel[0, 0, :, 0] = [-1, 0, 1]
    np.testing.assert_allclose(filter_pictures(kernel), [[[[0, 0.5, 1]]], [[[0.5, 0.5, 0.5]]]])
