"""`.keras` files of people whom nobody has to trust: looked through before Keras sees them, and no code is run."""

from __future__ import annotations

import io
import json
import math
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasexp import files
from kerasexp.errors import DataError
from kerasexp.models.built_in import RefusedModel, load_built_in
from kerasexp.models.saved import CARD

if TYPE_CHECKING:
    import keras

MEMBERS = {"metadata.json", "config.json", "model.weights.h5", CARD}  # of a model of built-in layers
LARGEST_JSON = 20_000_000  # bytes; the configuration of the largest network of kerasexp.models has 0.2 million
MOST_CONSTANTS = 1000  # in lists that are longer than shapes, strides and paddings are
LONGEST_SETTING = 8


def load_untrusted(path: Path, most_bytes: int) -> tuple[keras.Model, dict[str, Any] | None]:
    """Loads a model that is made of Keras' built-in layers and kerasexp's own.

    Args:
        path: a `.keras` file.
        most_bytes: how much it may hold, unpacked.

    Returns:
        The model, uncompiled, and the card that kerasexp put into its file; None if another program made it.

    Raises:
        RefusedModel: for Lambda layers, custom or pickled objects, links to other files, and archives that are larger
            than `most_bytes` or hold anything but a model, or much of the network as constants.
        DataError: if the file is missing or damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive, most_bytes)
            config = _json(path, archive, "config.json")
            card = _json(path, archive, CARD) if CARD in archive.namelist() else None
            weights = archive.read("model.weights.h5")
        _check_constants(path, config)
        _check_weights(path, weights, most_bytes)
        return load_built_in(path), card
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{path.name} is missing.") from None
    except PermissionError:
        raise files.denied(path.name) from None
    except (OSError, EOFError, KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(_damaged(path, error)) from None
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise DataError(_damaged(path, error)) from None


def _damaged(path: Path, error: Exception) -> str:
    reason = files.reason(error) if zipfile.is_zipfile(path) else "it is no zip archive"
    return f"{path.name} is damaged or no Keras 3 model: {reason}."


def _check_members(path: Path, archive: zipfile.ZipFile, most_bytes: int) -> None:
    names = archive.namelist()
    strange = [name for name in names if name not in MEMBERS]
    if strange:
        raise RefusedModel(
            f"{path.name} is refused: it holds {strange[0]!r}, which is no part of a model of built-in layers."
        )
    if len(set(names)) < len(names):
        raise RefusedModel(f"{path.name} is refused: it holds a file twice.")
    missing = {"config.json", "model.weights.h5"} - set(names)
    if missing:
        raise DataError(f"{path.name} is no Keras 3 model: it lacks {min(missing)}.")
    sizes = {member.filename: member.file_size for member in archive.infolist()}
    if sum(sizes.values()) > most_bytes or any(
        size > LARGEST_JSON for name, size in sizes.items() if name.endswith(".json")
    ):
        unpacked, packed = sum(sizes.values()), path.stat().st_size
        raise RefusedModel(
            f"{path.name} is refused: its {packed:,} bytes unpack to {unpacked:,}, more than a model may hold here."
        )


def _json(path: Path, archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    content = json.loads(archive.read(name))
    if not isinstance(content, dict):
        raise DataError(f"{path.name} is damaged: its {name} is no mapping.")
    return content


def _check_constants(path: Path, config: dict[str, Any]) -> None:
    """Refuses a network's numbers in its configuration, where no count of its parameters would see them."""
    constants = 0
    waiting: list[Any] = [config]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, list):
            numbers, nested = 0, [part]
            while nested:
                for item in nested.pop():
                    if isinstance(item, list):
                        nested.append(item)
                    elif isinstance(item, dict):
                        waiting.append(item)
                    else:
                        numbers += isinstance(item, int | float)
            constants += numbers if numbers > LONGEST_SETTING else 0
    if constants > MOST_CONSTANTS:
        raise RefusedModel(
            f"{path.name} is refused: its configuration holds {constants:,} constant numbers, more than "
            f"{MOST_CONSTANTS:,}. What a network computes with belongs into its weights, where it is counted."
        )


def _check_weights(path: Path, content: bytes, most_bytes: int) -> None:
    """Refuses weights that point outside their file or unpack to more than they may."""
    import h5py

    size = 0
    with h5py.File(io.BytesIO(content), "r") as file:
        groups = [file]
        while groups:
            group = groups.pop()
            for name in group:
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    raise RefusedModel(f"{path.name} is refused: its weights link to {name!r} in another place.")
                item = group[name]
                if isinstance(item, h5py.Group):
                    groups.append(item)
                elif not isinstance(item, h5py.Dataset) or item.external or item.is_virtual:
                    raise RefusedModel(f"{path.name} is refused: its weights {name!r} lie in another file.")
                else:
                    size += math.prod(item.shape or ()) * item.dtype.itemsize
                    if size > most_bytes:
                        raise RefusedModel(f"{path.name} is refused: its weights unpack to more than it may hold here.")
