"""`.keras` files of people whom nobody has to trust: looked through before Keras sees them, and no code is run."""

from __future__ import annotations

import importlib
import io
import json
import math
import pkgutil
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasexp.errors import DataError
from kerasexp.models.saved import CARD

if TYPE_CHECKING:
    import keras

MEMBERS = {"metadata.json", "config.json", "model.weights.h5", CARD}  # of a model of built-in layers
LARGEST_JSON = 20_000_000  # bytes; the configuration of the largest network of kerasexp.models has 0.2 million

# what a network is made of; the rest of Keras reads files, fetches or trains
_BUILT_IN = re.compile(
    r"keras(\.src)?(\.(layers|models|engine|ops|activations|initializers|regularizers|constraints|dtype_policies"
    r"|losses|metrics|optimizers)(\.\w+)*)?"
)
_PLAIN = {"__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__"}
_WITH_CODE = {"Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "__typespec__"}
_WITH_FILES = {"StringLookup", "IntegerLookup", "TextVectorization", "IndexLookup"}  # a vocabulary may be any path


class RefusedModel(DataError):
    """A file that would run code, read other files or fill the memory."""


def load_untrusted(path: Path, most_bytes: int) -> tuple[keras.Model, dict[str, Any] | None]:
    """Loads a model that is made of Keras' built-in layers and kerasexp's own.

    Args:
        path: a `.keras` file.
        most_bytes: how much it may hold, unpacked.

    Returns:
        The model, uncompiled, and the card that kerasexp put into its file; None if another program made it.

    Raises:
        RefusedModel: for Lambda layers, custom or pickled objects, links to other files, and archives that are larger
            than `most_bytes` or hold anything but a model.
        DataError: if the file is missing or damaged.
    """
    import keras

    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive, most_bytes)
            config = _json(path, archive, "config.json")
            card = _json(path, archive, CARD) if CARD in archive.namelist() else None
            weights = archive.read("model.weights.h5")
        _check_config(path, config)
        _check_weights(path, weights, most_bytes)
        return keras.models.load_model(path, compile=False, safe_mode=True), card
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{path.name} is missing.") from None
    except (OSError, EOFError, KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(_damaged(path, error)) from None
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise DataError(_damaged(path, error)) from None


def _damaged(path: Path, error: Exception) -> str:
    reason = " ".join(str(error).split())[:200]
    return f"{path.name} is damaged or no Keras 3 model: {type(error).__name__}: {reason}"


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


def _check_config(path: Path, config: dict[str, Any]) -> None:
    """Refuses what is neither Keras' own nor kerasexp's; how the model was trained is never loaded."""
    for part in _objects({**config, "compile_config": None}):
        kind, module, registered = part["class_name"], part.get("module"), part.get("registered_name")
        if kind in _PLAIN:
            continue
        name = _name(part)
        if kind in _WITH_CODE:
            raise RefusedModel(
                f"{path.name} is refused: {name} ({kind}) holds code, which is never run. Use built-in layers."
            )
        if kind in _WITH_FILES:
            raise RefusedModel(f"{path.name} is refused: {name} ({kind}) may read files. It has no place here.")
        if isinstance(registered, str) and registered.startswith("kerasexp>") and _is_ours(registered):
            continue
        function = kind == "function" and module == "builtins"  # an activation, by its name
        known = isinstance(module, str) and _BUILT_IN.fullmatch(module)
        custom = isinstance(registered, str) and ">" in registered
        if custom or not (known or function):
            raise RefusedModel(
                f"{path.name} is refused: {name} ({registered or kind}) is custom code, which is never run. "
                "Use built-in layers."
            )


def _name(part: dict[str, Any]) -> str:
    settings = part.get("config")
    name = settings.get("name") if isinstance(settings, dict) else settings
    return f"the part {str(name or part['class_name'])[:80]!r}"


def _objects(content: Any) -> Iterator[dict[str, Any]]:
    """Everything in a configuration that Keras would make an object of."""
    waiting = [content]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if "class_name" in part:
                if not isinstance(part["class_name"], str):
                    raise TypeError("a class_name that is no text")
                yield part
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part


def _is_ours(registered: str) -> bool:
    """Whether kerasexp has such a layer; its modules are imported first, since that is what registers their layers."""
    import keras

    import kerasexp.models

    for module in pkgutil.iter_modules(kerasexp.models.__path__, "kerasexp.models."):
        importlib.import_module(module.name)
    return keras.saving.get_registered_object(registered) is not None


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
