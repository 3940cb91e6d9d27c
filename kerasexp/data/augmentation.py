"""Affine augmentation: rotation, shift, shear and zoom in one matrix per image and one interpolation."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from kerasexp.config.schema import Augmentation

FILL_MODES = {"nearest": "NEAREST", "black": "CONSTANT"}


def draw_parameters(seed: int, copy: int, index: np.ndarray) -> np.ndarray:
    """The random parameters of one augmented copy of each image.

    They are a pure function of seed, copy and index, so an image keeps its copies in every split and in every order.

    Args:
        seed: of the run, from 0.
        copy: number of the augmented copy, from 0.
        index: int array `[n]`, positions of the images in the original data set (`Split.index`).

    Returns:
        float32 array `[n, 6]` from U(-1, 1): rotation, vertical shift, horizontal shift, shear, vertical zoom,
        horizontal zoom.
    """
    originals = int(np.max(index, initial=-1)) + 1
    with tf.device("CPU"):
        # Rows are drawn one after the other, so row i is the same however many rows follow it.
        drawn = tf.random.stateless_uniform([originals, 6], [seed, copy], -1.0, 1.0, alg="philox").numpy()
    return drawn[index]


def affine_transforms(parameters: np.ndarray, augmentation: Augmentation, height: int, width: int) -> np.ndarray:
    """The matrices that take output pixels to input pixels: rotation @ shift @ shear @ zoom about the image's centre.

    Args:
        parameters: array `[n, 6]`, as `draw_parameters` returns them.
        augmentation: what the parameters 1 and -1 stand for.
        height: of the images, in pixels.
        width: of the images, in pixels.

    Returns:
        float32 array `[n, 6]`, rows `(a, b, c, d, e, f)`: output pixel `(x, y)`, x to the right and y down, takes its
        value from `(a x + b y + c, d x + e y + f)`.

    References:
        `apply_affine_transform` of `keras.preprocessing.image`, with which the KMNIST study augmented: on square images
        this is its geometry. On others that function takes the height for the width in the centre and the shifts.
    """
    # In float64: the sixth decimal of a coordinate would otherwise depend on the processor's sine.
    rotation, down, right, shear, zoom_y, zoom_x = np.asarray(parameters, np.float64).T
    sin, cos = _sin_cos(rotation * augmentation.rotation)
    sin_shear, cos_shear = _sin_cos(shear * augmentation.shear)
    down = down * augmentation.shift * height
    right = right * augmentation.shift * width
    zoom_y = 1 + zoom_y * augmentation.zoom
    zoom_x = 1 + zoom_x * augmentation.zoom

    # rotation @ shear @ zoom, multiplied out
    a, b = cos * zoom_x, (-cos * sin_shear - sin * cos_shear) * zoom_y
    d, e = sin * zoom_x, (-sin * sin_shear + cos * cos_shear) * zoom_y
    # the centre stays where it is, but for the shift, which the rotation turns
    x, y = (width - 1) / 2, (height - 1) / 2
    c = x - a * x - b * y + cos * right - sin * down
    f = y - d * x - e * y + sin * right + cos * down
    return np.stack([a, b, c, d, e, f], axis=1).astype(np.float32)


def warp(images: tf.Tensor, transforms: tf.Tensor, fill: str) -> tf.Tensor:
    """Resamples each image through its matrix, bilinearly.

    Args:
        images: float32 `[n, height, width, channels]`.
        transforms: float32 `[n, 6]`, as `affine_transforms` returns them.
        fill: `nearest` or `black`, what lies outside an image.

    Returns:
        float32 tensor in the shape of `images`.
    """
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.pad(transforms, [[0, 0], [0, 2]]),  # no perspective
        output_shape=images.shape[1:3],
        interpolation="BILINEAR",
        fill_mode=FILL_MODES[fill],
        fill_value=0.0,
    )


def _sin_cos(degrees: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    radians = np.deg2rad(degrees)
    return np.sin(radians), np.cos(radians)
