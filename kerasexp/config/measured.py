"""What runs of the shipped recipes gave: `configs/measured.json`, written by `kerasexp.reporting.catalogue`."""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import Any

from kerasexp.config.schema import Experiment, Measured


@functools.cache
def measurements() -> tuple[dict[str, Any], ...]:
    """All that is kept.

    Each has `experiment`, `recipe`, `variants`, `settings` (the digest of the recipe's settings when it was measured),
    `data`, `seeds`, `seconds` (mean of a run, frozen layers included), `hardware`, and `scores`: metric to `mean`,
    `spread` (standard deviation over seeds; null of one) and `interval` (95 %: of one run over its images, of three or
    more for the next run; null of two).
    """
    kept = resources.files("kerasexp.configs") / "measured.json"
    return tuple(json.loads(kept.read_text(encoding="utf-8")))


def measurements_of(experiment: Experiment) -> list[dict[str, Any]]:
    """Those of an experiment with just these settings, whatever the data; none once its recipe has changed."""
    settings = experiment.digest()
    of_it = (one for one in measurements() if one["experiment"] == experiment.name)
    return [one for one in of_it if one["settings"] == settings]


def measured_of(experiment: Experiment) -> tuple[Measured, ...]:
    """The same, one for each data set and metric."""
    return tuple(
        Measured(
            metric=metric,
            mean=score["mean"],
            spread=score["spread"],
            **{key: one[key] for key in ("seeds", "seconds", "hardware", "data")},
        )
        for one in measurements_of(experiment)
        for metric, score in one["scores"].items()
    )
