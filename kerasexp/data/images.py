"""Picture files to uint8 arrays: the same decoding for training data and for `predict`."""

from __future__ import annotations

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


def read_header(path: Path) -> Header:
    """Reads size and mode of a picture without decoding it.

    Raises:
        DataError: if the file is no picture, or larger than 50 million pixels.
    """
    with _opened(path) as image:
        return Header(image.width, image.height, image.mode in GREY_MODES)


def read_image(path: Path, channels: int, size: tuple[int, int] | None = None) -> np.ndarray:
    """Decodes a picture.

    Palettes, CMYK and other colour spaces become RGB, 16 bits are scaled to 8, transparent parts lie on white, and
    of an animation the first frame is taken.

    Args:
        path: a BMP, GIF, JPEG, PNG, PPM, TIFF or WebP file, whatever its suffix says.
        channels: 1 for grey, 3 for RGB.
        size: height and width to resize to (bilinear, antialiased); None keeps the picture's own.

    Returns:
        uint8 array `[height, width, channels]`.

    Raises:
        DataError: if the file is missing, no picture, damaged, or larger than 50 million pixels.
    """
    with _opened(path) as image:
        try:
            image.load()
            plain = _eight_bits(image, path).convert("L" if channels == 1 else "RGB")
        except DataError:
            raise
        except Exception as error:  # Pillow raises whatever its decoder met in a damaged file
            raise DataError(f"{path} is damaged and cannot be decoded: {_first_line(error)}.") from None
    return _resized(plain, size)


def resize(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes a stack of images (bilinear, antialiased), as `read_image` does it.

    Args:
        images: uint8 array `[n, height, width, channels]` with 1 or 3 channels.
        size: the new height and width.

    Returns:
        uint8 array `[n, *size, channels]`; `images` itself if the size is theirs already.
    """
    from PIL import Image

    if images.shape[1:3] == size:
        return images
    result = np.empty((len(images), *size, images.shape[3]), np.uint8)
    for row, image in enumerate(images):
        result[row] = _resized(Image.fromarray(image[..., 0] if image.shape[2] == 1 else image), size)
    return result


def _opened(path: Path) -> Image:
    from PIL import Image, UnidentifiedImageError

    # Our own limit is lower than the one Pillow warns about.
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    try:
        image = Image.open(path, formats=FORMATS)
    except FileNotFoundError:
        raise DataError(f"{path} is missing.") from None
    except UnidentifiedImageError:
        empty = path.stat().st_size == 0
        reason = "is empty (0 bytes)" if empty else "is no picture that can be read"
        raise DataError(f"{path} {reason}. Expected one of {', '.join(FORMATS)}.") from None
    except Image.DecompressionBombError:
        raise DataError(f"{path} is too large: more than {MAX_PIXELS:,} pixels. Make it smaller.") from None
    except Exception as error:  # as above
        raise DataError(f"{path} cannot be read: {_first_line(error)}.") from None
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise DataError(f"{path} is too large: {image.width} x {image.height} pixels, at most {MAX_PIXELS:,} are read.")
    return image


def _eight_bits(image: Image, path: Path) -> Image:
    """The picture with 8 bits per channel, without transparency."""
    from PIL import Image

    if image.mode == "F" or image.mode == "I" and image.format != "PNG":  # "I" of a PNG means 16 bits, else 32
        raise DataError(f"{path} has 32 bits per pixel. Expected 8 or 16 bits per channel.")
    if image.mode.startswith("I"):
        wide = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((wide * 255 + 32767) // 65535).astype(np.uint8))
    if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("L" if image.mode in GREY_MODES else "RGB")
    return image


def _resized(image: Image, size: tuple[int, int] | None) -> np.ndarray:
    from PIL import Image

    if size is not None and (image.height, image.width) != size:
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    array = np.asarray(image)
    return array[..., None] if array.ndim == 2 else array


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
