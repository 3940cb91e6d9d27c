"""Tensors out of a file of PyTorch, without PyTorch and without running anything that the file asks for.

Such a file is a pickle beside raw numbers. The pickle may build dictionaries and name tensors; at any other word in it
the reading ends.
"""

from __future__ import annotations

import collections
import io
import math
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from kerasexp import files
from kerasexp.errors import DataError

_DTYPES = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "LongStorage": "<i8"}
_MAGIC = 0x1950A86A20F9469CFC6C  # at the start of the older form
_PICKLE_LIMIT = 10_000_000  # bytes; the names of a thousand tensors take a hundredth of it


class _Refused(Exception):
    """The pickle names something that is no tensor."""


class _TensorUnpickler(pickle.Unpickler):
    """Builds dictionaries of tensors; a tensor is a tuple of its storage, offset, shape and strides.

    Tensors and types are tuples and strings here, which a pickle cannot call or change.
    """

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return self._tensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return self._parameter
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise _Refused(f"{module}.{name}")

    def persistent_load(self, identity: Any) -> Any:
        kind, dtype, key, _, count, *view = identity
        if kind != "storage" or dtype not in _DTYPES.values() or any(part is not None for part in view):
            raise _Refused("a storage of an unknown kind")
        return ("storage", dtype, str(key), int(count))

    def _tensor(self, storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any) -> tuple[Any, ...]:
        return ("tensor", storage, offset, shape, strides)

    def _parameter(self, tensor: Any, *rest: Any) -> Any:
        return tensor


def read_state_dict(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a state dictionary, as `torch.save` writes it now (zip) or wrote it before version 1.6.

    Args:
        path: the file, usually `.pth`.

    Returns:
        Arrays by name, in PyTorch's layout: `[output, input, height, width]` for convolutions, `[output, input]` for
        dense layers.

    Raises:
        DataError: if the file is missing, damaged, holds anything but named tensors, or is older than version 0.1.10.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return _read_zip(archive)
        if tarfile.is_tarfile(path):
            raise DataError(f"{path} was written by PyTorch before 0.1.10. Load and save it with a newer one.")
        with open(path, "rb") as file:
            return _read_stream(file)
    except FileNotFoundError:
        raise DataError(f"{path} is missing.") from None
    except _Refused as error:
        raise DataError(
            f"{path} is refused: it holds {error}. Expected a state dictionary, named tensors and nothing else."
        ) from None
    except DataError:
        raise
    except Exception as error:  # whatever a damaged or hostile pickle can lead to; nothing of it was run
        raise DataError(
            f"{path} is damaged or no file of PyTorch: {files.reason(error)}. If it was downloaded, do it again."
        ) from None


def _read_zip(archive: zipfile.ZipFile) -> dict[str, np.ndarray]:
    names = [name for name in archive.namelist() if name.endswith("/data.pkl")]
    if len(names) != 1:
        raise ValueError("it has no data.pkl")
    folder = names[0].removesuffix("data.pkl")
    if f"{folder}byteorder" in archive.namelist() and archive.read(f"{folder}byteorder") != b"little":
        raise ValueError("its numbers are big-endian")

    def numbers(dtype: str, key: str, count: int) -> np.ndarray:
        entry = archive.getinfo(f"{folder}data/{key}")
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != count * np.dtype(dtype).itemsize:
            raise ValueError(f"storage {key} has another size than it says")
        return np.frombuffer(archive.read(entry), dtype)

    if archive.getinfo(names[0]).file_size > _PICKLE_LIMIT:
        raise ValueError("its list of tensors is too long")
    return _arrays(_TensorUnpickler(io.BytesIO(archive.read(names[0]))).load(), numbers)


def _read_stream(file: Any) -> dict[str, np.ndarray]:
    """Five pickles (magic number, version, system, tensors, keys of the storages), then each storage's numbers."""
    try:
        magic = _TensorUnpickler(file).load()
    except _Refused:
        raise
    except Exception:  # its words would be about pickles, which text or half a zip archive never was
        magic = None
    if magic != _MAGIC:
        raise ValueError("it is neither a whole zip archive nor starts like the older form")
    _, _, tensors, keys = (_TensorUnpickler(file).load() for _ in range(4))
    start, places = file.tell(), {}
    size = file.seek(0, io.SEEK_END)
    storages = [tensor[1] for tensor in _checked(tensors)]
    sizes = {key: count * np.dtype(dtype).itemsize for _, dtype, key, count in storages}
    for key in map(str, keys):
        file.seek(start)
        (count,) = struct.unpack("<q", file.read(8))
        places[key] = (start + 8, count)
        start += 8 + sizes[key]
        if start > size:
            raise ValueError("it ends too early")

    def numbers(dtype: str, key: str, count: int) -> np.ndarray:
        place, stored = places[key]
        if stored != count:
            raise ValueError(f"storage {key} has another size than it says")
        file.seek(place)
        return np.frombuffer(file.read(count * np.dtype(dtype).itemsize), dtype)

    return _arrays(tensors, numbers)


def _checked(tensors: Any) -> list[Any]:
    """The tensors of a dictionary with names for keys."""
    if not isinstance(tensors, dict):
        raise _Refused(f"a {type(tensors).__name__}")
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, tuple) or not tensor or tensor[0] != "tensor":
            raise _Refused(f"an entry {name!r} that is no tensor")
    return list(tensors.values())


def _arrays(tensors: Any, numbers: Any) -> dict[str, np.ndarray]:
    _checked(tensors)
    arrays = {}
    for name, (_, (_, dtype, key, count), offset, shape, strides) in tensors.items():
        size = math.prod(shape)
        contiguous = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
        in_place = all(n == 1 or a == b for n, a, b in zip(shape, strides, contiguous, strict=True))
        if not in_place or offset < 0 or min(shape, default=0) < 0 or offset + size > count:
            raise ValueError(f"tensor {name} does not lie in its storage in one piece")
        arrays[name] = numbers(dtype, key, count)[offset : offset + size].reshape(shape)
    return arrays
