"""What frozen parts computed, kept on the disk: one folder per entry, the least recently used goes first."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import io
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kerasexp import files
from kerasexp.errors import KerasexpError


@dataclasses.dataclass(frozen=True)
class Entry:
    """One array in the cache.

    Attributes:
        key: of the folder.
        what: what it holds, in words.
        size: bytes on the disk.
        used: when it was last used, in seconds since 1970.
        whole: False while it is being computed, or after a kill; the next run goes on with it.
    """

    key: str
    what: str
    size: int
    used: float
    whole: bool


class NoRoom(KerasexpError):
    """The cache's bound or the disk leaves no room for an entry."""


def autoencoder_cache() -> Path:
    """The folder of the autoencoders that several runs begin with."""
    return files.user_cache() / "autoencoders"


class FeatureCache:
    """Arrays by key.

    Args:
        folder: where they lie; `features` in the user's cache by default.
    """

    def __init__(self, folder: Path | None = None):
        self.folder = files.user_cache() / "features" if folder is None else folder

    def entries(self) -> list[Entry]:
        """All entries, the most recently used first."""
        found = []
        for path in self.folder.glob("*/"):
            about = path / "entry.json"
            parts = [part for part in path.iterdir() if part.is_file()]
            what = files.read_json(about)["what"] if about.exists() else "unfinished"
            used = max((part.stat().st_mtime for part in parts), default=0.0)
            size = sum(part.stat().st_size for part in parts)
            found.append(Entry(path.name, what, size, used, (path / "features.npy").exists()))
        return sorted(found, key=lambda entry: entry.used, reverse=True)

    def clear(self) -> int:
        """Removes every entry; the bytes that were freed."""
        freed = sum(entry.size for entry in self.entries())
        shutil.rmtree(self.folder, ignore_errors=True)
        return freed

    def get(self, key: str) -> np.memmap | None:
        """The array of a whole entry, memory-mapped; None if there is none."""
        path = self.folder / key / "features.npy"
        if not path.exists():
            return None
        with contextlib.suppress(OSError):  # a read-only cache serves as well
            os.utime(path)
        return np.load(path, mmap_mode="r", allow_pickle=False)

    def fill(
        self,
        key: str,
        what: str,
        shape: tuple[int, ...],
        dtype: Any,
        blocks: Callable[[int], Iterator[np.ndarray]],
    ) -> np.memmap:
        """Computes an entry, or goes on where a killed process stopped.

        Args:
            key: of the entry.
            what: what it holds, in words.
            shape: of the whole array.
            dtype: of the array.
            blocks: the rows of the array from a given row on, block by block.

        Returns:
            The array, memory-mapped.

        Raises:
            NoRoom: if the array is larger than the bound, or the disk is full.
        """
        place = self.folder / key
        row_bytes = int(np.prod(shape[1:])) * np.dtype(dtype).itemsize
        self._make_room(shape[0] * row_bytes, keep=key)
        try:
            place.mkdir(parents=True, exist_ok=True)
            with open(place / "features.part", "ab") as file:
                fcntl.flock(file, fcntl.LOCK_EX)  # a second run that wants the same features waits for the first
                done = self.get(key)
                if done is not None:
                    return done
                files.write_json(place / "entry.json", {"what": what, "shape": list(shape)})
                header = _header(shape, dtype)
                rows = max(0, file.tell() - len(header)) // row_bytes
                file.truncate(len(header) + rows * row_bytes if rows else 0)
                if not rows:
                    file.write(header)
                for block in blocks(rows):
                    # written, not mapped: a full disk must end in an error, not in a signal
                    file.write(np.ascontiguousarray(block, dtype).data)
                    file.flush()
                os.fsync(file.fileno())
                (place / "features.part").rename(place / "features.npy")
        except OSError as error:
            if error.errno not in files.DISK_FULL:
                raise
            shutil.rmtree(place, ignore_errors=True)
            raise NoRoom(f"the disk is full ({error.strerror}) at {self.folder}") from None
        filled = self.get(key)
        assert filled is not None
        return filled

    def _make_room(self, size: int, keep: str) -> None:
        bound = files.cache_bound()
        if size > bound:
            raise NoRoom(f"they take {size / 1e9:,.1f} GB, the cache holds {bound / 1e9:,.1f} GB (KERASEXP_CACHE_GB)")
        others = [entry for entry in self.entries() if entry.key != keep]
        total = size + sum(entry.size for entry in others)
        for entry in reversed(others):
            if total <= bound:
                return
            shutil.rmtree(self.folder / entry.key, ignore_errors=True)
            total -= entry.size


def _header(shape: tuple[int, ...], dtype: Any) -> bytes:
    """The head of an `.npy` file."""
    buffer = io.BytesIO()
    description = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, description)
    return buffer.getvalue()
