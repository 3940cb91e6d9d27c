"""Files written whole or not at all, and read only in safe forms (no pickle)."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kerasexp.errors import DataError, UsageError

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # no room, no room for this user, larger than allowed
ABANDONED = 3600.0  # seconds without a write after which the process that began a file is taken for gone


def user_cache() -> Path:
    """The folder for what can be fetched or computed again: `kerasexp` in `XDG_CACHE_HOME`, or in `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "kerasexp"


def cache_bound() -> int:
    """The most bytes of features, and of decoded images, that the cache holds: `KERASEXP_CACHE_GB`, by default 10.

    Raises:
        UsageError: if the variable is no number.
    """
    text = os.environ.get("KERASEXP_CACHE_GB", "10")
    try:
        bound = float(text)
    except ValueError:
        bound = -1.0
    if not 0 <= bound < 1e6:
        raise UsageError(f"KERASEXP_CACHE_GB: expected gigabytes from 0, received: {text!r}.")
    return int(bound * 1e9)


def cached_files(folder: Path) -> list[tuple[Path, os.stat_result]]:
    """The arrays in a folder of the cache, but those that a process is writing with `replacing`.

    What a killed process left of one is among them an hour after its last write.
    """
    found = []
    for path in folder.glob("*.np[yz]"):
        with contextlib.suppress(FileNotFoundError):  # renamed or removed meanwhile
            about = path.stat()
            if not path.name.startswith(".") or time.time() - about.st_mtime > ABANDONED:
                found.append((path, about))
    return found


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a path beside `path` to write to; renamed to `path` at the end, removed if anything failed.

    The data is on the disk before the rename, so a crash leaves the old file or the new one, never half of one.
    The suffix is kept, for writers that look at it.
    """
    path = Path(path)
    beside = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield beside
        with open(beside, "rb") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yields a path beside `path` for a new folder; takes the place of the one at `path` at the end if nothing failed.

    A crash leaves the old folder or the new one, never half of one; between the two renames the old one lies beside
    `path` as `.NAME.PID.old`. If the second rename fails, it is put back.
    """
    path = Path(path)
    beside, old = (path.with_name(f".{path.name}.{os.getpid()}.{part}") for part in ("part", "old"))
    try:
        yield beside
        for file in beside.rglob("*"):
            if file.is_file():
                with open(file, "rb") as content:
                    os.fsync(content.fileno())
        if path.exists():
            path.rename(old)
        try:
            beside.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Writes `text` as UTF-8, atomically."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Writes `content` as indented JSON, atomically."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def denied(path: str | Path) -> DataError:
    """What to say of a file or folder that this user may not use: it is not damaged."""
    return DataError(f"{path}: permission denied. Give this user the right to it, or name another place.")


def reason(error: Exception) -> str:
    """Why a file could not be used, in one line of words, without Python's name for the kind of error.

    Example:

    >>> reason(KeyError("accuracy"))
    'accuracy is missing'
    """
    text = " ".join(str(error).split())[:200].rstrip(".")
    if isinstance(error, KeyError):
        text = " ".join(str(part) for part in error.args)
        text = text if " " in text else f"{text} is missing"  # zipfile says it in a sentence
    return text or "it cannot be read"


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
        DataError: if the file is missing or no JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} is missing. Fetch or make it again.") from None
    except PermissionError:
        raise denied(path) from None
    except (ValueError, OSError, RecursionError) as error:
        raise DataError(f"{path} cannot be read as JSON: {error}") from None


def write_npz(path: Path, **arrays: Any) -> None:
    """Writes arrays as an uncompressed `.npz`, atomically."""
    import numpy as np

    with replacing(path) as beside, open(beside, "wb") as file:
        np.savez(file, **arrays)


def read_npz(path: Path) -> dict[str, Any]:
    """Reads every array of a `.npz` without unpickling anything.

    Raises:
        DataError: if the file is missing, damaged, no `.npz`, or holds pickled objects.
    """
    import numpy as np

    try:
        with open(path, "rb") as file:
            start = file.read(4)
        if start and start not in (b"PK\3\4", b"PK\5\6"):  # NumPy takes any other file for a pickle
            raise DataError(f"{path} is refused: it is no .npz archive. Expected an archive of plain numeric arrays.")
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{path} is missing. Fetch or make it again.") from None
    except PermissionError:
        raise denied(path) from None
    except MemoryError as error:
        raise DataError(f"{path} does not fit into the memory, or is damaged: {error}.") from None
    except ValueError as error:
        reason = (
            "it holds pickled Python objects, which are never loaded" if "pickle" in str(error).lower() else str(error)
        )
        raise DataError(f"{path} is refused: {reason}. Expected an archive of plain numeric arrays.") from None
    except Exception as error:  # NumPy and zipfile raise whatever they met in a damaged file
        raise DataError(f"{path} is damaged and cannot be read as .npz: {error}. Fetch or make it again.") from None


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """The hexadecimal digest of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def digest(content: Any) -> str:
    """Sixteen hexadecimal digits for anything that JSON can hold; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
