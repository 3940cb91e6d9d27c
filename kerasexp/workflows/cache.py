"""`kerasexp cache`: what frozen parts of networks computed, and how much room it takes."""

from __future__ import annotations

import datetime
from typing import Any

from kerasexp.training.cache import FeatureCache, disk_bound


def list_cache() -> dict[str, Any]:
    """The entries of the feature cache.

    Returns:
        `folder`, `bytes`, `bound` (bytes, `KERASEXP_CACHE_GB`) and `entries`, the most recently used first, each with
        `key`, `what`, `bytes`, `used` (UTC) and `whole`.
    """
    cache = FeatureCache()
    entries = cache.entries()
    return {
        "folder": str(cache.folder),
        "bytes": sum(entry.size for entry in entries),
        "bound": disk_bound(),
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
    """Removes every entry of the feature cache.

    Returns:
        The bytes that were freed.
    """
    return FeatureCache().clear()
