"""The elastic distortion, against SciPy and against what its strength promises."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from kerasexp.config.schema import Augmentation
from kerasexp.data.augmentation import draw_changes, warp
from kerasexp.data.elastic import NUMBERS, displacement_basis, warp_elastic

BOTH = Augmentation(
    copies=1, static=False, rotation=25.0, shift=0.2, shear=10.0, zoom=0.3, fill="black", flip="both", elastic=1.5
)


def random_images(count: int, height: int, width: int, channels: int) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (count, height, width, channels), dtype=np.uint8)


def displacements(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """Horizontal and vertical displacement `[n, 2, height, width]` for strength 1."""
    field = points.reshape(len(points), 2, -1).astype(float) @ displacement_basis(height, width)
    return field.reshape(len(points), 2, height, width)


@pytest.mark.parametrize("fill", ["nearest", "black", "reflect"])
@pytest.mark.parametrize("shape", [(28, 28, 1), (19, 24, 3)])
def test_pixels_equal_scipy(shape, fill):
    height, width, channels = shape
    images = random_images(8, *shape)
    images[0] = 255  # all four bytes of a number at their largest
    changes = draw_changes(3, 1, np.arange(8), BOTH, shape)
    transforms, points = changes["transform"], changes["elastic"]
    received = warp_elastic(tf.constant(images), tf.constant(transforms), tf.constant(points), 1.5, fill).numpy()
    assert received.dtype == np.float32
    mode = {"nearest": "nearest", "black": "grid-constant", "reflect": "reflect"}[fill]
    for picture, image, matrix, (right, down) in zip(
        received, images, transforms.astype(float), displacements(points, height, width), strict=True
    ):
        y, x = np.mgrid[:height, :width]
        x, y = x + 1.5 * right, y + 1.5 * down
        a, b, c, d, e, f = matrix
        where = [d * x + e * y + f, a * x + b * y + c]
        for channel in range(channels):
            plane = ndimage.map_coordinates(image[..., channel].astype(float), where, order=1, mode=mode)
            np.testing.assert_allclose(picture[..., channel], plane, atol=0.02)


@pytest.mark.parametrize("fill", ["nearest", "black", "reflect"])
def test_without_displacement_it_is_the_affine_warp(fill):
    images = random_images(8, 28, 28, 1)
    transforms = tf.constant(draw_changes(3, 1, np.arange(8), BOTH, (28, 28, 1))["transform"])
    received = warp_elastic(tf.constant(images), transforms, tf.zeros([8, NUMBERS]), 1.5, fill)
    expected = warp(tf.constant(images, tf.float32), transforms, fill)
    np.testing.assert_allclose(received, expected, atol=5e-3)


def test_strength_is_the_standard_deviation_and_neighbours_move_together():
    points = draw_changes(1, 0, np.arange(4000), BOTH, (28, 28, 1))["elastic"]
    field = displacements(points, 28, 28)
    np.testing.assert_allclose(field.std(axis=0), 1, atol=0.06)
    np.testing.assert_allclose(field.mean(axis=0), 0, atol=0.08)
    centre = field[:, :, 14, 14]
    # noise smoothed by a Gaussian of 4 pixels: correlation exp(-(distance / 4)^2 / 4)
    for distance, expected in ((1, 0.98), (4, 0.78), (8, 0.37), (13, 0.07)):
        for other in (field[:, :, 14, 14 + distance], field[:, :, 14 - distance, 14]):
            for axis in (0, 1):
                assert np.corrcoef(centre[:, axis], other[:, axis])[0, 1] == pytest.approx(expected, abs=0.09)
    assert np.corrcoef(centre.T)[0, 1] == pytest.approx(0, abs=0.05)


def test_the_displacement_is_exact_in_float32():
    """Else it would depend on how the processor sums, and so on the size of the block."""
    for side in (8, 28, 64):
        basis = displacement_basis(side, side)
        points = draw_changes(1, 0, np.arange(50), BOTH, (side, side, 1))["elastic"].reshape(-1, len(basis))
        exact = points.astype(np.float64) @ basis.astype(np.float64)
        np.testing.assert_array_equal(exact.astype(np.float32), exact)
        np.testing.assert_array_equal((points @ basis), exact)
        assert 2**20 * np.sqrt(3) * np.abs(basis).sum(axis=0).max() < 2**24


def test_points_follow_seed_copy_and_index_alone():
    drawn = draw_changes(7, 3, np.arange(300), BOTH, (28, 28, 1))["elastic"]
    np.testing.assert_array_equal(draw_changes(7, 3, np.array([299, 4]), BOTH, (28, 28, 1))["elastic"], drawn[[299, 4]])
    for seed, copy in ((8, 3), (7, 4)):
        assert np.mean(draw_changes(seed, copy, np.arange(300), BOTH, (28, 28, 1))["elastic"] == drawn) < 0.02
    assert len(np.unique(drawn[:, 0])) > 150
