"""`kerasexp cache`: what is kept to be used again, and how much room it takes."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from kerasexp.data.cache import image_cache
from kerasexp.files import cache_bound, cached_files, user_cache
from kerasexp.training.cache import Entry, FeatureCache, autoencoder_cache


def list_cache() -> dict[str, Any]:
    """What is kept: features of frozen parts, autoencoders, and decoded images of data sets too large for the memory.

    Returns:
        `folder`, `bytes`, `features_bytes`, `images_bytes`, `bound` of either (`KERASEXP_CACHE_GB`) and `entries`, the
        most recently used first, each with `key`, `what`, `bytes`, `used` (UTC) and `whole`.
    """
    features, images = FeatureCache().entries(), _files("decoded images", image_cache())
    autoencoders = _files("autoencoder", autoencoder_cache())
    entries = sorted([*features, *images, *autoencoders], key=lambda entry: entry.used, reverse=True)
    return {
        "folder": str(user_cache()),
        "bytes": sum(entry.size for entry in entries),
        "features_bytes": sum(entry.size for entry in features),
        "images_bytes": sum(entry.size for entry in images),
        "bound": cache_bound(),
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
    """Removes everything that is kept, but not what other processes are making.

    Returns:
        The bytes that were freed.
    """
    freed = FeatureCache().clear()
    for folder in (image_cache(), autoencoder_cache()):
        for path, about in cached_files(folder):
            path.unlink(missing_ok=True)
            freed += about.st_size
    return freed


def _files(what: str, folder: Path) -> list[Entry]:
    """What is one file each; a hidden one is what a killed process left."""
    return [
        Entry(path.stem, what, about.st_size, about.st_mtime, not path.name.startswith("."))
        for path, about in cached_files(folder)
    ]
