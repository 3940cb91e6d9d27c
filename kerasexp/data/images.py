"""Picture files to uint8 arrays: the same decoding for training data and for `predict`."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kerasexp.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # all decoded inside Pillow, none by another program
MAX_PIXELS = 50_000_000  # a picture of 7,000 x 7,000; beyond that a small file can fill the memory
GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N")


class Header(NamedTuple):
    """What a picture file says of itself before it is decoded."""

    width: int
    height: int
    grey: bool


def is_picture(path: Path) -> bool:
    """Whether the ending of a visible file's name is that of a format which is read here."""
    from PIL import Image

    return not path.name.startswith(".") and Image.registered_extensions().get(path.suffix.lower()) in FORMATS


def read_header(picture: Path | bytes) -> Header:
    """Reads size and mode of a picture without decoding it.

    Args:
        picture: a file, or its content.

    Raises:
        DataError: if the file is no picture, or larger than 50 million pixels.
    """
    with _opened(picture) as image:
        return Header(image.width, image.height, image.mode in GREY_MODES)


def read_image(
    picture: Path | bytes, channels: int, size: tuple[int, int] | None = None, antialias: bool = True
) -> np.ndarray:
    """Decodes a picture.

    Palettes, CMYK and other colour spaces become RGB, 16 bits are scaled to 8, transparent parts lie on white, and
    of an animation the first frame is taken.

    Args:
        picture: a BMP, GIF, JPEG, PNG, PPM, TIFF or WebP file, whatever its suffix says, or the content of one.
        channels: 1 for grey, 3 for RGB.
        size: height and width to resize to, bilinear; None keeps the picture's own.
        antialias: whether a picture made smaller is the mean of all its pixels (as Pillow and torchvision do it), or
            takes the four nearest pixels alone (as `tf.image.resize` and Keras' image folders do it).

    Returns:
        uint8 array `[height, width, channels]`.

    Raises:
        DataError: if the file is missing, no picture, damaged, or larger than 50 million pixels.
    """
    with _opened(picture) as image:
        try:
            image.load()
            plain = _eight_bits(image, picture).convert("L" if channels == 1 else "RGB")
        except DataError:
            raise
        except Exception as error:  # Pillow raises whatever its decoder met in a damaged file
            raise DataError(f"{_named(picture)} is damaged and cannot be decoded: {_first_line(error)}.") from None
    return _resized(plain, size, antialias)


def resize(images: np.ndarray, size: tuple[int, int], antialias: bool = True) -> np.ndarray:
    """Resizes a stack of images, as `read_image` does it.

    Args:
        images: uint8 array `[n, height, width, channels]` with 1 or 3 channels.
        size: the new height and width.
        antialias: as for `read_image`.

    Returns:
        uint8 array `[n, *size, channels]`; `images` itself if the size is theirs already.
    """
    from PIL import Image

    if images.shape[1:3] == size:
        return images
    result = np.empty((len(images), *size, images.shape[3]), np.uint8)
    for row, image in enumerate(images):
        result[row] = _resized(Image.fromarray(image[..., 0] if image.shape[2] == 1 else image), size, antialias)
    return result


def _opened(picture: Path | bytes) -> Image:
    from PIL import Image, UnidentifiedImageError

    # Our own limit is lower than the one Pillow warns about.
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    try:
        image = Image.open(io.BytesIO(picture) if isinstance(picture, bytes) else picture, formats=FORMATS)
    except FileNotFoundError:
        raise DataError(f"{_named(picture)} is missing.") from None
    except UnidentifiedImageError:
        empty = not picture if isinstance(picture, bytes) else picture.stat().st_size == 0
        reason = "is empty (0 bytes)" if empty else "is no picture that can be read"
        raise DataError(f"{_named(picture)} {reason}. Expected one of {', '.join(FORMATS)}.") from None
    except Image.DecompressionBombError:
        raise DataError(f"{_named(picture)} is too large: more than {MAX_PIXELS:,} pixels. Make it smaller.") from None
    except Exception as error:  # as above
        raise DataError(f"{_named(picture)} cannot be read: {_first_line(error)}.") from None
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise DataError(
            f"{_named(picture)} is too large: {image.width} x {image.height} pixels, at most {MAX_PIXELS:,} are read."
        )
    return image


def _eight_bits(image: Image, picture: Path | bytes) -> Image:
    """The picture with 8 bits per channel, without transparency."""
    from PIL import Image

    if image.mode == "F" or image.mode == "I" and image.format != "PNG":  # "I" of a PNG means 16 bits, else 32
        raise DataError(f"{_named(picture)} has 32 bits per pixel. Expected 8 or 16 bits per channel.")
    if image.mode.startswith("I"):
        wide = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((wide * 255 + 32767) // 65535).astype(np.uint8))
    if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("L" if image.mode in GREY_MODES else "RGB")
    return image


def _resized(image: Image, size: tuple[int, int] | None, antialias: bool) -> np.ndarray:
    from PIL import Image

    if size is None or (image.height, image.width) == size:
        array = np.asarray(image)
    elif antialias:
        array = np.asarray(image.resize((size[1], size[0]), Image.Resampling.BILINEAR))
    else:
        array = _interpolated(np.asarray(image), size)
    return array[..., None] if array.ndim == 2 else array


def _interpolated(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bilinear interpolation between the centres of the four nearest pixels, rounded to whole levels."""
    pixels = image.astype(np.float32).reshape(*image.shape[:2], -1)
    above, below, down = _between(image.shape[0], size[0])
    left, right, across = _between(image.shape[1], size[1])
    rows = pixels[above] * (1 - down)[:, None, None] + pixels[below] * down[:, None, None]
    result = rows[:, left] * (1 - across)[:, None] + rows[:, right] * across[:, None]
    return np.rint(result).astype(np.uint8)


def _between(old: int, new: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each of `new` pixels the two of `old` that it lies between, and the weight of the second."""
    place = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    first = np.floor(place).astype(int)
    return first, np.minimum(first + 1, old - 1), (place - first).astype(np.float32)


def _named(picture: Path | bytes) -> str:
    return "A picture" if isinstance(picture, bytes) else str(picture)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
