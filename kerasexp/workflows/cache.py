"""`kerasexp cache`: what is kept to be used again, and how much room it takes."""

from __future__ import annotations

import datetime
import shutil
from typing import Any

from kerasexp.data.cache import image_cache
from kerasexp.files import user_cache
from kerasexp.training.cache import Entry, FeatureCache, disk_bound


def list_cache() -> dict[str, Any]:
    """What is kept: features of frozen parts, and decoded images of data sets that are too large for the memory.

    Returns:
        `folder`, `bytes`, `features_bytes`, `features_bound` (`KERASEXP_CACHE_GB`) and `entries`, the most recently
        used first, each with `key`, `what`, `bytes`, `used` (UTC) and `whole`.
    """
    features = FeatureCache().entries()
    entries = sorted([*features, *_images()], key=lambda entry: entry.used, reverse=True)
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
    freed = sum(entry.size for entry in _images())
    shutil.rmtree(image_cache(), ignore_errors=True)
    return freed + FeatureCache().clear()


def _images() -> list[Entry]:
    found = [(path, path.stat()) for path in image_cache().glob("*.npy")]
    return [Entry(path.stem, "decoded images", about.st_size, about.st_mtime, True) for path, about in found]
