"""Images without labels, for what needs none: a clustering."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kerasexp.data import checks, images
from kerasexp.data.catalog import CATALOG
from kerasexp.data.dataset import Dataset, Split
from kerasexp.data.readers import folder, npz, pictures
from kerasexp.errors import DataError

IMAGES = ("x", "x_train", "x_test")  # arrays of an archive


def load_unlabelled(name: str, image_size: int | None = None) -> Dataset | None:
    """Loads images that have no labels.

    Args:
        name: an `.npz` file with `x`, or with `x_train` and perhaps `x_test`, and no labels; or a folder of pictures
            without class folders.
        image_size: side in pixels to resize all images to; None keeps their own size.

    Returns:
        A data set without `class_names`, all images in both parts, all labels 0. None if `name` is neither of the two,
        or a name of the catalog, which goes before a file of that name.

    Raises:
        DataError: if the images are damaged, or of mixed sizes.
    """
    path = Path(name).expanduser()
    try:
        x = None if name in CATALOG else _images(path, image_size)
    except OSError as error:
        raise DataError(f'The data set "{name}" cannot be read: {error}') from None
    if x is None:
        return None
    split = Split(x, np.zeros(len(x), np.int64), np.arange(len(x)))
    remark = f'not a catalog data set ("{path.name}"): no published number belongs to it'
    return Dataset(path.resolve().stem, split, split, (), f"images without labels, {path}", (remark,))


def _images(path: Path, image_size: int | None) -> np.ndarray | None:
    if path.suffix == ".npz" and path.is_file():
        content = npz.load(path)
        parts = [content[key] for key in IMAGES if key in content]
        if not parts or {"y", "y_train", "y_test"} & set(content):
            return None
        if len({part.shape[1:] for part in parts}) > 1:
            raise DataError(f"{path}: the images of all parts must have one shape.")
        x = checks.checked_images(np.concatenate(parts), str(path))
        if image_size is None:
            return x
        checks.require_memory(len(x) * image_size**2 * x.shape[3], f"{path.stem} resized", checks.SMALLER_IMAGES)
        return images.resize(x, (image_size, image_size), True)
    if path.is_dir() and folder.holds_pictures_only(path):
        files = folder.visible(path)
        parts_of = {"train": files, "test": files[:0]}
        labels = {"train": np.zeros(len(files), np.int64), "test": np.zeros(0, np.int64)}
        return pictures.read(parts_of, labels, ("",), path, image_size).arrays["train"][0]
    return None
