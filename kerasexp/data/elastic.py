"""Elastic distortion: every pixel moves a little, in company with its neighbours."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

POINTS = 6  # control points along each side, closer than the Gaussians between them are wide
WIDTH = 1 / 7  # standard deviation of those Gaussians as a share of the side: 4 pixels of 28
NUMBERS = 2 * POINTS**2  # that say one distortion


def control_points(parameters: np.ndarray) -> np.ndarray:
    """The control points of distortions, in whole steps of 1/256.

    Args:
        parameters: array `[n, NUMBERS]` from U(-1, 1).

    Returns:
        float32 array `[n, NUMBERS]` of mean 0 and variance 1: for each image the horizontal points row by row, then
        the vertical ones.
    """
    return (np.round(np.sqrt(3) * 256 * parameters) / 256).astype(np.float32)


def displacement_basis(height: int, width: int) -> np.ndarray:
    """What each control point does to each pixel, a product of two Gaussians; the squares at a pixel sum to 1.

    Returns:
        float32 array `[POINTS**2, height * width]`, in whole steps of 1/4096. With the steps of the control points, the
        sums in a product of both are exact in float32: it comes out the same in whatever order it is summed.
    """

    def gaussians(side: int) -> np.ndarray:
        distance = np.arange(side)[:, None] - np.linspace(0, side - 1, POINTS)
        values = np.exp(-0.5 * (distance / (WIDTH * side)) ** 2)
        return values / np.linalg.norm(values, axis=1, keepdims=True)

    basis = np.einsum("yi,xj->ijyx", gaussians(height), gaussians(width)).reshape(POINTS**2, -1)
    return (np.round(4096 * basis) / 4096).astype(np.float32)


def warp_elastic(images: tf.Tensor, transforms: tf.Tensor, points: tf.Tensor, strength: float, fill: str) -> tf.Tensor:
    """Resamples each image through a random smooth displacement and its matrix, bilinearly, in one step.

    Args:
        images: uint8 `[n, height, width, channels]`.
        transforms: float32 `[n, 6]`, as `kerasexp.data.augmentation.affine_transforms` returns them.
        points: float32 `[n, NUMBERS]`, as `control_points` returns them.
        strength: standard deviation of a pixel's displacement in each direction, in pixels.
        fill: `nearest`, `black` or `reflect`, what lies outside an image.

    Returns:
        float32 tensor in the shape of `images`.

    References:
        Simard, Steinkraus and Platt 2003, "Best Practices for Convolutional Neural Networks Applied to Visual Document
        Analysis", where noise on all pixels is smoothed by the Gaussian.
    """
    height, width = images.shape[1:3]
    rows, columns = np.mgrid[:height, :width].astype(np.float32).reshape(2, -1)
    basis = tf.constant(displacement_basis(height, width))
    displacement = strength * tf.reshape(tf.reshape(points, [-1, POINTS**2]) @ basis, [-1, 2, height * width])
    x, y = columns + displacement[:, 0], rows + displacement[:, 1]
    a, b, c, d, e, f = tf.split(transforms, 6, axis=1)
    return _sampled(images, a * x + b * y + c, d * x + e * y + f, fill)


def _sampled(images: tf.Tensor, x: tf.Tensor, y: tf.Tensor, fill: str) -> tf.Tensor:
    """The images' values at `(x, y)`, `[n, height * width]` each, bilinearly."""
    shape = images.shape[1:]
    if fill == "black":
        images, x, y = tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]]), x + 1, y + 1
    elif fill == "reflect":
        x, y = _folded(x, shape[1]), _folded(y, shape[0])
    height, width = images.shape[1:3]
    x = tf.clip_by_value(x, 0.0, width - 1.0)
    y = tf.clip_by_value(y, 0.0, height - 1.0)
    left, top = tf.minimum(tf.floor(x), width - 2.0), tf.minimum(tf.floor(y), height - 2.0)

    # The four bytes around a point travel as one number: looking up is what costs here.
    whole = tf.cast(images, tf.int32)
    fours = whole[:, :-1, :-1] + 2**8 * whole[:, :-1, 1:] + 2**16 * whole[:, 1:, :-1] + 2**24 * whole[:, 1:, 1:]
    cells = (height - 1) * (width - 1)
    where = tf.cast(top * (width - 1) + left, tf.int32) + cells * tf.range(tf.shape(images)[0])[:, None]
    found = tf.gather(tf.reshape(fours, [-1, shape[2]]), where)
    byte = [tf.cast(tf.bitwise.bitwise_and(tf.bitwise.right_shift(found, 8 * n), 255), tf.float32) for n in range(4)]

    across, down = (x - left)[..., None], (y - top)[..., None]
    above = byte[0] + across * (byte[1] - byte[0])
    below = byte[2] + across * (byte[3] - byte[2])
    return tf.reshape(above + down * (below - above), [-1, *shape])


def _folded(x: tf.Tensor, side: int) -> tf.Tensor:
    """Coordinates of the image that repeats mirrored at its borders: -0.5 and `side - 0.5`."""
    return side - tf.abs(tf.math.floormod(x + 0.5, 2.0 * side) - side) - 0.5
