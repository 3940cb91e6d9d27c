"""`kerasexp cache`: what is kept to be used again, and how much room it takes."""

from __future__ import annotations

import datetime
import shutil
from typing import Any

from kerasexp.data.cache import image_cache
from kerasexp.files import user_cache
from kerasexp.training.cache import Entry, FeatureCache, autoencoder_cache, disk_bound


def list_cache() -> dict[str, Any]:
    """What is kept: features of frozen parts, autoencoders, and decoded images of data sets too large for the memory.

    Returns:
        `folder`, `bytes`, `features_bytes`, `features_bound` (`KERASEXP_CACHE_GB`) and `entries`, the most recently
        used first, each with `key`, `what`, `bytes`, `used` (UTC) and `whole`.
    """
    features = FeatureCache().entries()
    entries = sorted([*features, *_files()], key=lambda entry: entry.used, reverse=True)
    return {
        "folder": str(user_cache()),
        "bytes": sum(entry.size for entry in entries),
        "features_bytes": sum(entry.size for entry in features),
        "features_bound": disk_bound(),
        "entries": [
            {
                "key": entry.key,
                "what": entry.what,
                "bytes": entry.size,
                "used": datetime.datetime.fromtimestamp(entry.used, datetime.UTC).isoformat(timespec="seconds"),
                "whole": entry.whole,
            }
            for entry in entries
        ],
    }


def clear_cache() -> int:
    """Removes everything that is kept.

    Returns:
        The bytes that were freed.
    """
    freed = sum(entry.size for entry in _files())
    for folder in (image_cache(), autoencoder_cache()):
        shutil.rmtree(folder, ignore_errors=True)
    return freed + FeatureCache().clear()


def _files() -> list[Entry]:
    """What is one file each."""
    found = [("decoded images", path) for path in image_cache().glob("*.npy")]
    found += [("autoencoder", path) for path in autoencoder_cache().glob("*.npz")]
    described = [(what, path.stem, path.stat()) for what, path in found]
    return [Entry(key, what, about.st_size, about.st_mtime, True) for what, key, about in described]
