"""Geometry and colours of the augmentation, against SciPy, Pillow and what the studies used of Keras."""

from __future__ import annotations

import colorsys
import hashlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance
from scipy import ndimage

from kerasexp.config.schema import Augmentation
from kerasexp.data.augmentation import affine_transforms, augment, changes_of, draw_changes, draw_parameters, warp

STUDY = Augmentation(copies=10, static=True, rotation=10.0, shift=0.1, shear=0.1, zoom=0.1, fill="nearest")
STRONG = Augmentation(copies=10, static=True, rotation=40.0, shift=0.3, shear=25.0, zoom=0.4, fill="nearest")
BEANS = Augmentation(
    copies=1, static=False, rotation=72.0, shift=0.0, shear=0.0, zoom=[0.85, 0.95], fill="reflect", flip="both"
)
NOTHING = Augmentation(copies=1, static=True, rotation=0.0, shift=0.0, shear=0.0, zoom=0.0, fill="black")
JITTER = NOTHING.model_copy(update={"brightness": 0.1, "contrast": 0.2, "saturation": 0.3, "hue": 0.4})
# Rounding a coordinate to float32 moves it by about 1e-6 of a pixel, and neighbouring pixels differ by up to 255.
TOLERANCE = 5e-3


def random_images(count: int, height: int, width: int, channels: int) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (count, height, width, channels)).astype(np.float32)


def warped(images: np.ndarray, parameters: np.ndarray, augmentation: Augmentation) -> np.ndarray:
    transforms = affine_transforms(parameters, augmentation, *images.shape[1:3])
    return warp(tf.constant(images), tf.constant(transforms), augmentation.fill).numpy()


def changed(images: np.ndarray, augmentation: Augmentation, **changes: float | list[float]) -> np.ndarray:
    """Images that only have these changes, the same for all of them."""
    identity = np.tile(np.float32([1, 0, 0, 0, 1, 0]), (len(images), 1))
    rows = {name: np.tile(np.float32(numbers), (len(images), 1)) for name, numbers in changes.items()}
    tensors = {name: tf.constant(part) for name, part in {"transform": identity, **rows}.items()}
    return augment(tf.constant(images), tensors, augmentation).numpy()


def smooth_image(height: int, width: int) -> np.ndarray:
    """Waves so long that one resampling more or less makes little difference."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 9 + channel) + np.cos(y / 7 - channel) + np.sin((x + 2 * y) / 15) for channel in range(3)]
    return (127.5 + 40 * np.stack(waves, axis=-1)).astype(np.float32)


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
    mode = {"nearest": "nearest", "black": "grid-constant", "reflect": "reflect"}[augmentation.fill]
    planes = [ndimage.affine_transform(plane, matrix, order=1, mode=mode) for plane in np.moveaxis(image, -1, 0)]
    return np.stack(planes, axis=-1)


@pytest.mark.parametrize("fill", ["nearest", "black", "reflect"])
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


@pytest.mark.parametrize("shape", [(90, 90), (70, 110)])
def test_pixels_equal_the_layers_of_the_beans_study(shape):
    """Keras mirrors, turns and zooms in three steps, each with its own interpolation."""
    height, width = shape
    index = np.arange(12)
    images = np.tile(smooth_image(height, width), (len(index), 1, 1, 1))
    changes = draw_changes(5, 2, index, BEANS, (height, width, 3))
    ours = warp(tf.constant(images), tf.constant(changes["transform"]), "reflect").numpy()
    parameters = draw_parameters(5, 2, index).astype(float)
    across, upside_down = _heads(5, 2, index)
    assert len({*zip(across, upside_down, strict=True)}) == 4
    for i, (rotation, _, _, _, zoom_y, zoom_x) in enumerate(parameters):
        picture = images[i, :, ::-1] if across[i] else images[i]
        picture = picture[::-1] if upside_down[i] else picture
        turn, zoom_y, zoom_x = 0.2 * rotation, -0.1 + 0.05 * zoom_y, -0.1 + 0.05 * zoom_x
        layers = [
            keras.layers.RandomRotation((turn, turn), fill_mode="reflect"),
            keras.layers.RandomZoom((zoom_y, zoom_y), (zoom_x, zoom_x), fill_mode="reflect"),
        ]
        theirs = np.ascontiguousarray(picture)[None]
        for layer in layers:
            theirs = layer(theirs, training=True)
        difference = np.abs(ours[i] - np.asarray(theirs)[0])
        assert difference.max() < 3
        assert difference.mean() < 0.15  # half a pixel would be 2 and more
    assert np.abs(ours - images).mean() > 20


def _heads(seed: int, copy: int, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which images are mirrored, read off the matrices of an augmentation that does nothing else."""
    flips = NOTHING.model_copy(update={"flip": "both"})
    transform = draw_changes(seed, copy, index, flips, (9, 9, 3))["transform"]
    return transform[:, 0] < 0, transform[:, 4] < 0


def test_zoom_as_a_range_is_the_share_about_one():
    parameters = draw_parameters(3, 1, np.arange(50))
    expected, received = (
        affine_transforms(parameters, STUDY.model_copy(update={"zoom": zoom}), 28, 28) for zoom in (0.2, (0.8, 1.2))
    )
    np.testing.assert_allclose(received, expected, atol=1e-5)


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


def test_parameters_never_change():
    """Copy 9 of KMNIST's 60,000 training images with seed 42, as the first version of kerasexp drew it."""
    drawn = draw_parameters(42, 9, np.arange(60_000))
    digest = hashlib.sha256(drawn.tobytes()).hexdigest()
    assert digest == "11ba4108412f9418f4b657b23331cc070418398c7b4b8e8f307a956eddca335f"
    expected = [
        [1.0792626, -0.13839623, 0.22011238, 0.14118724, 1.061985, -1.7368035],
        [0.9344457, 0.01622853, 2.5020168, -0.01618014, 0.9700514, -1.2316741],
    ]
    np.testing.assert_allclose(affine_transforms(drawn, STUDY, 28, 28)[[0, -1]], expected, rtol=1e-6)
    changes = draw_changes(42, 9, np.arange(60_000), STUDY, (28, 28, 1))
    assert list(changes) == ["transform"]
    np.testing.assert_array_equal(changes["transform"], affine_transforms(drawn, STUDY, 28, 28))


def test_flips_and_colours_leave_the_other_parameters_alone():
    index = np.arange(400)
    more = STUDY.model_copy(update={"flip": "both", "brightness": 0.1, "cutout": 0.3})
    plain, changed = (draw_changes(1, 0, index, each, (28, 28, 1))["transform"] for each in (STUDY, more))
    across, upside_down = _heads(1, 0, index)
    np.testing.assert_array_equal(changed[~across, :3], plain[~across, :3])
    np.testing.assert_array_equal(changed[~upside_down, 3:], plain[~upside_down, 3:])
    np.testing.assert_array_equal(changed[across, :2], -plain[across, :2])


@pytest.mark.parametrize("shape", [(6, 9, 3), (7, 4, 1)])
def test_flips_mirror_exactly(shape):
    index = np.arange(64)
    images = random_images(64, *shape)
    across, upside_down = _heads(8, 0, index)
    for flip in ("horizontal", "both"):
        augmentation = NOTHING.model_copy(update={"flip": flip})
        transforms = draw_changes(8, 0, index, augmentation, shape)["transform"]
        expected = np.where(across[:, None, None, None], images[:, :, ::-1], images)
        if flip == "both":
            expected = np.where(upside_down[:, None, None, None], expected[:, ::-1], expected)
        np.testing.assert_array_equal(warp(tf.constant(images), tf.constant(transforms), "black"), expected)


def test_further_parameters_have_their_shares():
    index = np.arange(20_000)
    across, upside_down = _heads(3, 1, index)
    assert [across.mean(), upside_down.mean(), (across & upside_down).mean()] == pytest.approx(
        [0.5, 0.5, 0.25], abs=0.02
    )
    often = JITTER.model_copy(update={"colour_probability": 0.3})
    always, sometimes = (draw_changes(3, 1, index, each, (28, 28, 3)) for each in (JITTER, often))
    for name, strength in {"brightness": 0.1, "contrast": 0.2, "saturation": 0.3, "hue": 0.4}.items():
        change = always[name] - (name != "hue")
        assert np.abs(change).max() == pytest.approx(strength, rel=1e-3)
        assert [change.mean(), change.var()] == pytest.approx([0, strength**2 / 3], abs=0.02 * strength)
    np.testing.assert_array_equal(sometimes["brightness"], always["brightness"])
    untouched = sometimes["contrast"] == 1
    assert untouched.mean() == pytest.approx(0.7, abs=0.02)
    np.testing.assert_array_equal(sometimes["contrast"][~untouched], always["contrast"][~untouched])
    np.testing.assert_array_equal(sometimes["saturation"] == 1, untouched)
    np.testing.assert_array_equal(sometimes["hue"] == 0, untouched)


def test_further_parameters_follow_the_index_alone():
    augmentation = JITTER.model_copy(update={"flip": "both", "cutout": 0.4})
    whole = draw_changes(7, 3, np.arange(500), augmentation, (28, 28, 3))
    some = np.array([499, 0, 41])
    for name, part in draw_changes(7, 3, some, augmentation, (28, 28, 3)).items():
        np.testing.assert_array_equal(part, whole[name][some])
        assert part.shape == (3, changes_of(augmentation, 3)[name])


def test_grey_images_have_no_hue():
    assert changes_of(JITTER, 1) == {"transform": 6, "brightness": 1, "contrast": 1}


class TestColours:
    """Pillow is what torchvision calls; it rounds to whole values, and contrast about a whole mean."""

    @pytest.mark.parametrize("factor", [0.0, 0.45, 1.0, 1.7])
    @pytest.mark.parametrize(
        ("name", "enhance"),
        [
            ("brightness", ImageEnhance.Brightness),
            ("contrast", ImageEnhance.Contrast),
            ("saturation", ImageEnhance.Color),
        ],
    )
    def test_factors_are_pillows(self, name, enhance, factor):
        images = random_images(4, 13, 17, 3)
        images[2:] = images[2:] * 0.2 + 180  # pale and bright
        ours = changed(images, NOTHING, **{name: factor})
        for picture, image in zip(ours, images, strict=True):
            theirs = enhance(Image.fromarray(image.astype(np.uint8))).enhance(factor)
            np.testing.assert_allclose(picture, np.asarray(theirs, float), atol=2.5)
        assert ours.min() >= 0
        assert ours.max() <= 255

    @pytest.mark.parametrize("shift", [-0.4, 0.0, 0.25, 0.5])
    def test_hue_turns_as_colorsys_does(self, shift):
        images = random_images(2, 5, 6, 3)
        images[0, 0, 0] = 77  # a grey pixel
        images[1, 2, 3] = 0

        def turned(pixel: np.ndarray) -> tuple[float, ...]:
            hue, saturation, value = colorsys.rgb_to_hsv(*pixel.astype(float))
            return colorsys.hsv_to_rgb((hue + shift) % 1, saturation, value)

        expected = np.apply_along_axis(turned, -1, images)
        np.testing.assert_allclose(changed(images, NOTHING, hue=shift), expected, atol=2e-3)

    def test_grey_contrast_is_about_the_mean(self):
        images = random_images(3, 8, 9, 1)
        mean = images.mean(axis=(1, 2, 3), keepdims=True)
        expected = np.clip(mean + 0.5 * (images - mean), 0, 255)
        np.testing.assert_allclose(changed(images, NOTHING, contrast=0.5), expected, atol=2e-3)

    def test_the_order_is_brightness_contrast_saturation_hue(self):
        images = random_images(3, 8, 9, 3)
        steps = {"brightness": 1.6, "contrast": 0.6, "saturation": 1.8, "hue": 0.2}
        one_by_one = images
        for name, number in steps.items():
            one_by_one = changed(one_by_one, NOTHING, **{name: number})
        np.testing.assert_allclose(changed(images, NOTHING, **steps), one_by_one, atol=1e-3)
        assert np.abs(changed(changed(images, NOTHING, contrast=0.6), NOTHING, brightness=1.6) - one_by_one).max() > 20


class TestCutout:
    @pytest.mark.parametrize(("shape", "side"), [((20, 31, 3), 8), ((12, 9, 1), 4)])
    def test_is_one_square_of_the_mean(self, shape, side):
        augmentation = NOTHING.model_copy(update={"cutout": 0.4})
        images = random_images(30, *shape)
        corners = draw_changes(2, 0, np.arange(30), augmentation, shape)["cutout"]
        tensors = {"transform": np.tile(np.float32([1, 0, 0, 0, 1, 0]), (30, 1)), "cutout": corners}
        received = augment(tf.constant(images), {k: tf.constant(v) for k, v in tensors.items()}, augmentation).numpy()
        for picture, image, (top, left) in zip(received, images, corners.astype(int), strict=True):
            expected = image.copy()
            expected[top : top + side, left : left + side] = image.mean(axis=(0, 1))
            np.testing.assert_allclose(picture, expected, atol=2e-3)
            assert np.count_nonzero((picture != image).any(axis=-1)) >= side * side - 2

    def test_reaches_every_border_and_stays_inside(self):
        augmentation = NOTHING.model_copy(update={"cutout": 0.25})
        corners = draw_changes(2, 0, np.arange(20_000), augmentation, (32, 40, 3))["cutout"]
        for column, last in ((0, 24), (1, 32)):
            values, counts = np.unique(corners[:, column], return_counts=True)
            np.testing.assert_array_equal(values, np.arange(last + 1))
            np.testing.assert_allclose(counts, 20_000 / (last + 1), rtol=0.2)
