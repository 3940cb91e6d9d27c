"""Augmentation: one matrix and one interpolation per image, then colours, then a square cut out.

What is done to an image is drawn first, as a few numbers per copy, and carried out when the copy's turn comes.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from kerasexp.config.schema import Augmentation
from kerasexp.data import elastic

FILL_MODES = {"nearest": "NEAREST", "black": "CONSTANT", "reflect": "REFLECT"}
COLOURS = ("brightness", "contrast", "saturation", "hue")
# Added to the seed, which is smaller: no run's first parameters are another's further ones.
FURTHER_STREAM, ELASTIC_STREAM = 2**31, 2**32
GREY_WEIGHTS = (0.2989, 0.587, 0.114)  # of red, green and blue, as torchvision has them


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
    return _draw(seed, copy, index, 6)


def draw_further_parameters(seed: int, copy: int, index: np.ndarray) -> np.ndarray:
    """The random parameters of flips, colours and cutout: as `draw_parameters`, from a stream of their own.

    Args:
        seed: of the run, from 0.
        copy: number of the augmented copy, from 0.
        index: int array `[n]`, positions of the images in the original data set.

    Returns:
        float32 array `[n, 9]` from U(-1, 1): horizontal flip, vertical flip, brightness, contrast, saturation, hue,
        whether colours change, row and column of the cutout.
    """
    return _draw(seed + FURTHER_STREAM, copy, index, 9)


def _draw(seed: int, copy: int, index: np.ndarray, width: int) -> np.ndarray:
    originals = int(np.max(index, initial=-1)) + 1
    with tf.device("CPU"):
        # Rows are drawn one after the other, so row i is the same however many rows follow it.
        words = np.array([seed, copy], np.int64)
        return tf.random.stateless_uniform([originals, width], words, -1.0, 1.0, alg="philox").numpy()[index]


def changes_of(augmentation: Augmentation, channels: int) -> dict[str, int]:
    """What augmentation does to images of so many channels: the names of the changes, how many numbers say each.

    Returns:
        Some of `transform` (6 numbers per image, always there), `elastic` (72), `brightness`, `contrast`, `saturation`,
        `hue` (1 each) and `cutout` (2).
    """
    changes = {"transform": 6}
    if augmentation.elastic:
        changes["elastic"] = elastic.NUMBERS
    for name in COLOURS if channels == 3 else COLOURS[:2]:
        if getattr(augmentation, name):
            changes[name] = 1
    if augmentation.cutout:
        changes["cutout"] = 2
    return changes


def draw_changes(
    seed: int, copy: int, index: np.ndarray, augmentation: Augmentation, image_shape: tuple[int, int, int]
) -> dict[str, np.ndarray]:
    """What is done to one augmented copy of each image, in numbers.

    Args:
        seed: of the run, from 0.
        copy: number of the augmented copy, from 0.
        index: int array `[n]`, positions of the images in the original data set.
        augmentation: how strongly the copies are changed.
        image_shape: height, width, channels.

    Returns:
        float32 arrays by the names of `changes_of`: `transform` `[n, 6]` (`affine_transforms`), `elastic`
        `[n, 72]` (`elastic.control_points`), `brightness`, `contrast` and `saturation` `[n, 1]` (factors), `hue`
        `[n, 1]` (shift as a share of the circle), `cutout` `[n, 2]` (first row and first column of the square).
    """
    height, width, channels = image_shape
    transforms = affine_transforms(draw_parameters(seed, copy, index), augmentation, height, width)
    names = changes_of(augmentation, channels)
    if augmentation.flip == "none" and len(names) == 1:
        return {"transform": transforms}

    further = draw_further_parameters(seed, copy, index)
    changes = {"transform": _mirrored(transforms, further[:, :2] < 0, augmentation.flip, height, width)}
    if "elastic" in names:
        drawn = _draw(seed + ELASTIC_STREAM, copy, index, elastic.NUMBERS)
        changes["elastic"] = elastic.control_points(drawn)
    coloured = further[:, 6:7] < 2 * augmentation.colour_probability - 1
    for column, name in enumerate(COLOURS, start=2):
        if name in names:
            change = getattr(augmentation, name) * further[:, column : column + 1]
            if name != "brightness":
                change *= coloured
            changes[name] = change if name == "hue" else 1 + change
    if "cutout" in names:
        places = np.array([height, width]) - _cutout_side(augmentation, height, width) + 1
        changes["cutout"] = np.floor((further[:, 7:9] + 1) / 2 * places).astype(np.float32)
    return changes


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
        `keras.layers.RandomRotation` and then `RandomZoom`, as in the beans study, are the same matrix.
    """
    # In float64: the sixth decimal of a coordinate would otherwise depend on the processor's sine.
    rotation, down, right, shear, zoom_y, zoom_x = np.asarray(parameters, np.float64).T
    sin, cos = _sin_cos(rotation * augmentation.rotation)
    sin_shear, cos_shear = _sin_cos(shear * augmentation.shear)
    down = down * augmentation.shift * height
    right = right * augmentation.shift * width
    if isinstance(augmentation.zoom, tuple):
        low, high = augmentation.zoom
        middle, reach = (low + high) / 2, (high - low) / 2
    else:
        middle, reach = 1.0, augmentation.zoom
    zoom_y = middle + zoom_y * reach
    zoom_x = middle + zoom_x * reach

    # rotation @ shear @ zoom, multiplied out
    a, b = cos * zoom_x, (-cos * sin_shear - sin * cos_shear) * zoom_y
    d, e = sin * zoom_x, (-sin * sin_shear + cos * cos_shear) * zoom_y
    # the centre stays where it is, but for the shift, which the rotation turns
    x, y = (width - 1) / 2, (height - 1) / 2
    c = x - a * x - b * y + cos * right - sin * down
    f = y - d * x - e * y + sin * right + cos * down
    return np.stack([a, b, c, d, e, f], axis=1).astype(np.float32)


def _mirrored(transforms: np.ndarray, heads: np.ndarray, flip: str, height: int, width: int) -> np.ndarray:
    """The transforms of images mirrored first: left to right where `heads[:, 0]`, upside down where `heads[:, 1]`."""
    mirrored = transforms.copy()
    if flip in ("horizontal", "both"):
        mirrored[heads[:, 0], 0:3] = np.array([0, 0, width - 1], np.float32) - transforms[heads[:, 0], 0:3]
    if flip == "both":
        mirrored[heads[:, 1], 3:6] = np.array([0, 0, height - 1], np.float32) - transforms[heads[:, 1], 3:6]
    return mirrored


def augment(images: tf.Tensor, changes: dict[str, tf.Tensor], augmentation: Augmentation) -> tf.Tensor:
    """Carries out what `draw_changes` drew.

    Every image is treated by itself: what becomes of it depends on no other image of the batch, to the last bit.

    Args:
        images: uint8 `[n, height, width, channels]`; float32 will do where nothing is elastic.
        changes: as `draw_changes` returns them, as tensors.
        augmentation: the one that they were drawn for.

    Returns:
        float32 tensor in the shape of `images`, values 0 to 255.

    References:
        `torchvision.transforms.ColorJitter` for the four colour operations, here always in the order of its arguments.
        DeVries and Taylor 2017, "Improved Regularization of Convolutional Neural Networks with Cutout", for the last;
        here the square lies wholly inside the image.
    """
    if "elastic" in changes:
        strength, fill = augmentation.elastic, augmentation.fill
        images = elastic.warp_elastic(images, changes["transform"], changes["elastic"], strength, fill)
    else:
        images = warp(tf.cast(images, tf.float32), changes["transform"], augmentation.fill)
    if "brightness" in changes:
        images = tf.clip_by_value(images * _per_image(changes["brightness"]), 0.0, 255.0)
    if "contrast" in changes:
        images = _blend(images, _mean(_grey(images)), changes["contrast"])
    if "saturation" in changes:
        images = _blend(images, _grey(images), changes["saturation"])
    if "hue" in changes:
        images = _turn_hue(images, changes["hue"])
    if "cutout" in changes:
        side = _cutout_side(augmentation, *images.shape[1:3])
        images = _cut_out(images, changes["cutout"], side)
    return images


def warp(images: tf.Tensor, transforms: tf.Tensor, fill: str) -> tf.Tensor:
    """Resamples each image through its matrix, bilinearly.

    Args:
        images: float32 `[n, height, width, channels]`.
        transforms: float32 `[n, 6]`, as `affine_transforms` returns them.
        fill: `nearest`, `black` or `reflect`, what lies outside an image.

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


def _blend(images: tf.Tensor, others: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
    """`factor` of the image and the rest of the other; a factor above 1 leads away from the other."""
    factors = _per_image(factors)
    return tf.clip_by_value(factors * images + (1.0 - factors) * others, 0.0, 255.0)


def _grey(images: tf.Tensor) -> tf.Tensor:
    """The grey images `[n, height, width, 1]`."""
    if images.shape[-1] == 1:
        return images
    red, green, blue = (weight * images[..., i : i + 1] for i, weight in enumerate(GREY_WEIGHTS))
    return red + green + blue


def _mean(images: tf.Tensor) -> tf.Tensor:
    """The mean of each channel `[n, 1, 1, channels]`."""
    # Summed in whole numbers: a sum of floats depends on how the threads share it out, which is the batch's business.
    sums = tf.reduce_sum(tf.cast(tf.round(256.0 * images), tf.int64), axis=[1, 2], keepdims=True)
    return tf.cast(sums, tf.float32) * (1 / (256 * images.shape[1] * images.shape[2]))


def _turn_hue(images: tf.Tensor, shifts: tf.Tensor) -> tf.Tensor:
    hue, saturation, value = tf.split(tf.image.rgb_to_hsv(images), 3, axis=-1)
    hue += _per_image(shifts)
    return tf.image.hsv_to_rgb(tf.concat([hue - tf.floor(hue), saturation, value], axis=-1))


def _cutout_side(augmentation: Augmentation, height: int, width: int) -> int:
    return max(1, round(augmentation.cutout * min(height, width)))


def _cut_out(images: tf.Tensor, corners: tf.Tensor, side: int) -> tf.Tensor:
    """Paints a square of `side` pixels over with the image's mean colour."""

    def inside(first: tf.Tensor, length: int) -> tf.Tensor:
        distance = tf.range(length, dtype=tf.float32)[None] - first
        return (distance >= 0) & (distance < side)

    rows = inside(corners[:, :1], images.shape[1])[:, :, None, None]
    columns = inside(corners[:, 1:], images.shape[2])[:, None, :, None]
    return tf.where(rows & columns, _mean(images), images)


def _per_image(numbers: tf.Tensor) -> tf.Tensor:
    """`[n, 1]` to `[n, 1, 1, 1]`."""
    return numbers[:, :, None, None]


def _sin_cos(degrees: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    radians = np.deg2rad(degrees)
    return np.sin(radians), np.cos(radians)
