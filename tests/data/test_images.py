"""Every kind of picture file becomes the right uint8 array, or one clear line."""

from __future__ import annotations

import io
import struct
import zlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kerasexp.data.images import read_header, read_image, resize
from kerasexp.errors import DataError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (6, 5), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (6, 5, 3), dtype=np.uint8)


def saved(folder, image, name="image.png", **options):
    path = folder / name
    image.save(path, **options)
    return path


def test_grey_and_colour(tmp_path):
    grey = saved(tmp_path, Image.fromarray(GREY), "grey.png")
    colour = saved(tmp_path, Image.fromarray(COLOUR), "colour.png")
    assert read_header(grey) == (5, 6, True)
    assert read_header(colour) == (5, 6, False)
    assert (read_image(grey, 1)[..., 0] == GREY).all()
    assert (read_image(grey, 3) == GREY[..., None]).all()
    assert (read_image(colour, 3) == COLOUR).all()
    assert read_image(colour, 1).shape == (6, 5, 1)


def test_palette_named_jpg(tmp_path):
    picture = Image.fromarray(COLOUR).quantize(30)
    path = saved(tmp_path, picture, "palette.jpg", format="PNG")
    assert not read_header(path).grey
    assert (read_image(path, 3) == COLOUR).all()


def test_sixteen_bits_are_scaled(tmp_path):
    wide = np.array([[0, 257, 128 * 257, 65535]], np.uint16)
    path = saved(tmp_path, Image.fromarray(wide))
    assert read_header(path).grey
    assert read_image(path, 1).ravel().tolist() == [0, 1, 128, 255]


def test_one_bit(tmp_path):
    path = saved(tmp_path, Image.fromarray(GREY > 127))
    assert (read_image(path, 1)[..., 0] == np.where(GREY > 127, 255, 0)).all()


def test_cmyk(tmp_path):
    path = saved(tmp_path, Image.new("CMYK", (3, 2), (0, 255, 255, 0)), "red.tiff")
    assert read_image(path, 3).tolist() == [[[255, 0, 0]] * 3] * 2


def test_transparency_lies_on_white(tmp_path):
    black = np.zeros((1, 3, 2), np.uint8)
    black[..., 1] = [0, 51, 255]
    path = saved(tmp_path, Image.fromarray(black, "LA"))
    assert read_image(path, 1).ravel().tolist() == [255, 204, 0]
    assert read_image(path, 3)[0, 1].tolist() == [204] * 3


def test_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    path = saved(tmp_path, frames[0], "film.gif", save_all=True, append_images=frames[1:])
    assert read_image(path, 3)[0, 0].tolist() == [255, 0, 0]


def test_resizing_is_that_of_pillow(tmp_path):
    path = saved(tmp_path, Image.fromarray(COLOUR))
    expected = np.asarray(Image.fromarray(COLOUR).resize((8, 4), Image.Resampling.BILINEAR))
    assert (read_image(path, 3, size=(4, 8)) == expected).all()
    assert (resize(COLOUR[None], (4, 8))[0] == expected).all()
    assert resize(GREY[None, ..., None], (3, 3)).shape == (1, 3, 3, 1)


@pytest.mark.parametrize("size", [(224, 224), (7, 300), (50, 60), (1, 1)])
@pytest.mark.parametrize("channels", [1, 3])
def test_resizing_without_antialias_is_that_of_tensorflow(size, channels):
    x = np.random.default_rng(0).integers(0, 256, (2, 100, 90, channels), dtype=np.uint8)
    expected = tf.image.resize(x, size, "bilinear", antialias=False).numpy()
    found = resize(x, size, antialias=False)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 0.501  # rounded to whole levels
    if size != (1, 1):
        assert (found != resize(x, size)).any()


def test_pictures_are_resized_as_image_dataset_from_directory_does_it(tmp_path):
    """On a PNG, whose decoding has no freedom."""
    x = np.random.default_rng(0).integers(0, 256, (50, 50, 3), dtype=np.uint8)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        saved(tmp_path / name, Image.fromarray(x))
    [(expected, _)] = keras.utils.image_dataset_from_directory(tmp_path, image_size=(22, 22), verbose=False)
    found = read_image(tmp_path / "a" / "image.png", 3, (22, 22), antialias=False)
    assert np.abs(found - expected[0].numpy()).max() <= 0.501


def test_content_instead_of_a_file(tmp_path):
    path = saved(tmp_path, Image.fromarray(COLOUR))
    assert read_header(path.read_bytes()) == (5, 6, False)
    assert (read_image(path.read_bytes(), 3) == COLOUR).all()
    with pytest.raises(DataError, match="A picture is no picture that can be read|A picture cannot be read"):
        read_image(b"text", 3)


def test_missing_empty_text_and_folder(tmp_path):
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no picture")
    for name, message in {
        "none.png": "is missing",
        "empty.png": r"empty \(0 bytes\)",
        "text.png": "no picture",
        "": "directory",
    }.items():
        with pytest.raises(DataError, match=message):
            read_image(tmp_path / name, 3)


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp", "tiff"])
def test_truncated(tmp_path, suffix):
    path = saved(tmp_path, Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)), f"image.{suffix}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=str(path)):
        read_image(path, 3)


def test_flipped_bits_never_leak_another_error(tmp_path):
    whole = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(whole, "PNG")
    path = tmp_path / "flipped.png"
    refused = 0
    for position in range(8, len(whole.getvalue()), 11):
        content = bytearray(whole.getvalue())
        content[position] ^= 0x55
        path.write_bytes(content)
        try:
            assert read_image(path, 3).dtype == np.uint8
        except DataError:
            refused += 1
    assert refused > 10


def test_gigapixel_is_refused_before_decoding(tmp_path):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    for side, message in ((8_000, "8000 x 8000 pixels"), (40_000, "too large")):
        header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
        path = tmp_path / f"{side}.png"
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
        with pytest.raises(DataError, match=message):
            read_image(path, 1)


def test_32_bits_are_refused(tmp_path):
    path = saved(tmp_path, Image.fromarray(GREY.astype(np.float32)), "float.tiff")
    with pytest.raises(DataError, match="32 bits per pixel"):
        read_image(path, 1)
