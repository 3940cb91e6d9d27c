"""What frozen parts computed, kept on the disk: one folder per entry, the least recently used goes first."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import io
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kerasexp import files
from kerasexp.errors import DataError, KerasexpError

SECONDS_PER_NOTE = 10  # of computing, between two notes of how long it has taken


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
    """The cache's bound or the disk leaves no room for an entry, or its folder cannot be used."""


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
        """All entries, the most recently used first, but what another process removes meanwhile or keeps to itself."""
        found = []
        for path in self.folder.glob("*/"):
            with contextlib.suppress(FileNotFoundError, PermissionError):
                found.append(_entry(path))
        return sorted(found, key=lambda entry: entry.used, reverse=True)

    def clear(self) -> int:
        """Removes every entry but those that are being computed; the bytes that were freed."""
        return sum(entry.size for entry in self.entries() if self._remove(entry))

    def get(self, key: str) -> np.memmap | None:
        """The array of a whole entry, memory-mapped; None if there is none, or a damaged one, which `fill` replaces."""
        path = self.folder / key / "features.npy"
        try:
            features = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, EOFError, ValueError):
            return None
        with contextlib.suppress(OSError):  # a read-only cache serves as well
            os.utime(path)
        return features

    def seconds(self, key: str) -> float:
        """What an entry took to compute, whichever runs did it; 0 if nobody knows."""
        with contextlib.suppress(DataError):
            return float(files.read_json(self.folder / key / "entry.json").get("seconds", 0.0))
        return 0.0

    def fill(
        self,
        key: str,
        what: str,
        shape: tuple[int, ...],
        dtype: Any,
        block: int,
        blocks: Callable[[int], Iterator[np.ndarray]],
    ) -> np.memmap:
        """Computes an entry, or goes on where a killed process stopped.

        Args:
            key: of the entry.
            what: what it holds, in words.
            shape: of the whole array.
            dtype: of the array.
            block: rows in a block. Rows are computed in the same blocks after a kill, since the bits of a row may
                depend on how many are computed with it.
            blocks: the rows of the array from a given row on, block by block.

        Returns:
            The array, memory-mapped.

        Raises:
            NoRoom: if the array is larger than the bound, other processes are filling the cache, the disk is full, the
                folder cannot be written to, or someone removes the entry meanwhile.
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
                earlier, began = self.seconds(key), time.monotonic()

                def note_seconds() -> float:
                    spent = round(earlier + time.monotonic() - began, 3)
                    files.write_json(place / "entry.json", {"what": what, "shape": list(shape), "seconds": spent})
                    return time.monotonic()

                noted = note_seconds()
                header = _header(shape, dtype)
                there = os.fstat(file.fileno()).st_size - len(header)
                rows = max(0, there) // row_bytes // block * block
                file.truncate(len(header) + rows * row_bytes if rows else 0)
                if not rows:
                    file.write(header)
                for computed in blocks(rows):
                    # written, not mapped: a full disk must end in an error, not in a signal
                    file.write(np.ascontiguousarray(computed, dtype).data)
                    file.flush()
                    if time.monotonic() - noted >= SECONDS_PER_NOTE:  # so that a kill loses little of them
                        noted = note_seconds()
                note_seconds()
                os.fsync(file.fileno())
                if not os.path.samestat(os.fstat(file.fileno()), (place / "features.part").stat()):
                    raise FileNotFoundError  # another process has begun anew
                (place / "features.part").rename(place / "features.npy")
                filled = self.get(key)
        except FileNotFoundError:
            filled = None
        except OSError as error:
            if error.errno not in files.DISK_FULL:
                raise NoRoom(f"{self.folder} cannot be written to ({error.strerror})") from None
            shutil.rmtree(place, ignore_errors=True)
            raise NoRoom(f"the disk is full ({error.strerror}) at {self.folder}") from None
        if filled is None:
            raise NoRoom(f"{place} was removed meanwhile")
        return filled

    def _make_room(self, size: int, keep: str) -> None:
        bound = files.cache_bound()
        if size > bound:
            raise NoRoom(f"they take {size / 1e9:,.1f} GB, the cache holds {bound / 1e9:,.1f} GB (KERASEXP_CACHE_GB)")
        others = [entry for entry in self.entries() if entry.key != keep]
        total = size + sum(entry.size for entry in others)
        for entry in reversed(others):
            if total > bound and self._remove(entry):
                total -= entry.size
        if total > bound:
            raise NoRoom(f"other processes are filling the cache up to its {bound / 1e9:,.1f} GB (KERASEXP_CACHE_GB)")

    def _remove(self, entry: Entry) -> bool:
        """Removes an entry unless a process is computing it; whether it did."""
        place = self.folder / entry.key
        with contextlib.ExitStack() as held:
            try:
                file = held.enter_context(open(place / "features.part", "rb"))
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except FileNotFoundError:
                pass  # whole
            except OSError:  # being computed, or not ours
                return False
            shutil.rmtree(place, ignore_errors=True)
        return not place.exists()


def _entry(path: Path) -> Entry:
    """What a folder holds now; files that are renamed or removed meanwhile are left out."""
    parts = []
    for part in path.iterdir():
        with contextlib.suppress(FileNotFoundError):
            parts.append(part.stat())
    what = "unfinished"
    with contextlib.suppress(DataError):  # not written yet, or no longer there
        what = files.read_json(path / "entry.json")["what"]
    used = max((part.st_mtime for part in parts), default=0.0)
    size = sum(part.st_size for part in parts)
    return Entry(path.name, what, size, used, (path / "features.npy").exists())


def _header(shape: tuple[int, ...], dtype: Any) -> bytes:
    """The head of an `.npy` file."""
    buffer = io.BytesIO()
    description = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, description)
    return buffer.getvalue()
