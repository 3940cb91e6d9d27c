"""The geometry of the augmentation, against SciPy and against the function that the KMNIST study used."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from kerasexp.config.schema import Augmentation
from kerasexp.data.augmentation import affine_transforms, draw_parameters, warp

STUDY = Augmentation(copies=10, static=True, rotation=10.0, shift=0.1, shear=0.1, zoom=0.1, fill="nearest")
STRONG = Augmentation(copies=10, static=True, rotation=40.0, shift=0.3, shear=25.0, zoom=0.4, fill="nearest")
# Rounding a coordinate to float32 moves it by about 1e-6 of a pixel, and neighbouring pixels differ by up to 255.
TOLERANCE = 5e-3


def random_images(count: int, height: int, width: int, channels: int) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (count, height, width, channels)).astype(np.float32)


def warped(images: np.ndarray, parameters: np.ndarray, augmentation: Augmentation) -> np.ndarray:
    transforms = affine_transforms(parameters, augmentation, *images.shape[1:3])
    return warp(tf.constant(images), tf.constant(transforms), augmentation.fill).numpy()


def by_scipy(image: np.ndarray, parameters: np.ndarray, augmentation: Augmentation) -> np.ndarray:
    """One image, its matrices multiplied one by one in x-first coordinates, resampled in rows and columns."""
    height, width = image.shape[:2]
    rotation, down, right, shear, zoom_y, zoom_x = parameters.astype(np.float64)
    angle, slant = np.deg2rad(rotation * augmentation.rotation), np.deg2rad(shear * augmentation.shear)
    rotate = [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    move = [[1, 0, right * augmentation.shift * width], [0, 1, down * augmentation.shift * height], [0, 0, 1]]
    slope = [[1, -np.sin(slant), 0], [0, np.cos(slant), 0], [0, 0, 1]]
    scale = np.diag([1 + zoom_x * augmentation.zoom, 1 + zoom_y * augmentation.zoom, 1])
    to_centre = np.array([[1, 0, width / 2 - 0.5], [0, 1, height / 2 - 0.5], [0, 0, 1]])
    matrix = to_centre @ np.linalg.multi_dot([rotate, move, slope, scale]) @ np.linalg.inv(to_centre)
    swap = [1, 0, 2]
    matrix = matrix[swap][:, swap]
    # `grid-constant` blends the border with black, as one wishes; `constant` cuts at the centre of the border pixels.
    mode = {"nearest": "nearest", "black": "grid-constant"}[augmentation.fill]
    planes = [ndimage.affine_transform(plane, matrix, order=1, mode=mode) for plane in np.moveaxis(image, -1, 0)]
    return np.stack(planes, axis=-1)


@pytest.mark.parametrize("fill", ["nearest", "black"])
@pytest.mark.parametrize("shape", [(28, 28, 1), (20, 33, 1), (31, 18, 3)])
@pytest.mark.parametrize("strength", [STUDY, STRONG], ids=["study", "strong"])
def test_pixels_equal_scipy(strength, shape, fill):
    augmentation = strength.model_copy(update={"fill": fill})
    images = random_images(12, *shape)
    parameters = draw_parameters(3, 1, np.arange(12))
    expected = [by_scipy(image, u, augmentation) for image, u in zip(images, parameters, strict=True)]
    np.testing.assert_allclose(warped(images, parameters, augmentation), expected, atol=TOLERANCE)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("strength", [STUDY, STRONG], ids=["study", "strong"])
def test_pixels_equal_the_function_of_the_study(strength, channels):
    image_tools = pytest.importorskip("keras.src.legacy.preprocessing.image", reason="this Keras has it no more")
    images = random_images(12, 28, 28, channels)
    parameters = draw_parameters(4, 0, np.arange(12))
    expected = []
    for image, (rotation, down, right, shear, zoom_y, zoom_x) in zip(images, parameters.astype(float), strict=True):
        expected.append(
            image_tools.apply_affine_transform(
                image,
                theta=rotation * strength.rotation,
                tx=right * strength.shift * 28,  # Keras' x runs along the columns, though its generator calls it height
                ty=down * strength.shift * 28,
                shear=shear * strength.shear,
                zx=1 + zoom_x * strength.zoom,
                zy=1 + zoom_y * strength.zoom,
                row_axis=0,
                col_axis=1,
                channel_axis=2,
                fill_mode="nearest",
                order=1,
            )
        )
    np.testing.assert_allclose(warped(images, parameters, strength), expected, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("parameter", "landmark"),
    [
        pytest.param(1, (10 - 4, 8), id="vertical shift of a fifth of 20 rows"),
        pytest.param(2, (10, 8 - 8), id="horizontal shift of a fifth of 40 columns"),
    ],
)
def test_shifts_are_shares_of_their_own_side(parameter, landmark):
    augmentation = STUDY.model_copy(update={"shift": 0.2, "fill": "black"})
    image = np.zeros([1, 20, 40, 1], np.float32)
    image[0, 10, 8] = 200
    parameters = np.zeros([1, 6], np.float32)
    parameters[0, parameter] = 1
    assert np.unravel_index(warped(image, parameters, augmentation)[0, ..., 0].argmax(), (20, 40)) == landmark


def test_zero_parameters_change_no_pixel():
    images = random_images(3, 9, 14, 3)
    np.testing.assert_array_equal(warped(images, np.zeros([3, 6], np.float32), STRONG), images)


def test_parameters_follow_the_index_alone():
    everything = draw_parameters(7, 3, np.arange(1000))
    np.testing.assert_array_equal(draw_parameters(7, 3, np.array([999, 0, 41])), everything[[999, 0, 41]])
    np.testing.assert_array_equal(draw_parameters(7, 3, np.array([5, 2])), everything[[5, 2]])


def test_parameters_differ_between_images_copies_and_seeds():
    drawn = [draw_parameters(seed, copy, np.arange(500)) for seed in (0, 1) for copy in (0, 1)]
    assert len(np.unique(np.concatenate(drawn)[:, 0])) > 1990


def test_parameters_are_uniform_between_minus_one_and_one():
    drawn = draw_parameters(1, 0, np.arange(20_000))
    assert drawn.dtype == np.float32
    assert np.abs(drawn).max() <= 1
    np.testing.assert_allclose(drawn.mean(axis=0), 0, atol=0.02)
    np.testing.assert_allclose(drawn.var(axis=0), 1 / 3, atol=0.01)
    np.testing.assert_allclose(np.corrcoef(drawn.T), np.eye(6), atol=0.03)
