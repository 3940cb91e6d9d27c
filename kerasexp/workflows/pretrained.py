"""The pretrained weights of an experiment: found before anything is trained, loaded into each freshly built network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from kerasexp.config.schema import Experiment
from kerasexp.data.dataset import Dataset
from kerasexp.errors import DataError
from kerasexp.models import build
from kerasexp.models.weights import find_weights, load_pretrained
from kerasexp.training.stages import frozen_part


def prepare_network(
    experiment: Experiment, dataset: Dataset, data_dir: str | Path | None = None, offline: bool = False
) -> dict[str, dict[str, Any]]:
    """Finds the weights and tries them on the network, so that what does not fit is told before a run begins.

    Returns:
        For each backbone what the manifest says of its weights: `source`, and for those from a file what
        `load_pretrained` returns.

    Raises:
        UsageError: if the settings make no network, or a stage names a layer that it does not have.
        DataError: if weights are missing or do not fit, or their folded BatchNorm would have to adapt or train.
    """
    model = build(experiment, dataset.image_shape, len(dataset.class_names))
    found: dict[str, dict[str, Any]] = {}
    for backbone, source in experiment.pretrained.items():
        found[backbone] = {"source": source}
        if source != "random":
            path = find_weights(backbone, source, data_dir, offline, experiment.model.get("alpha", 1.0))
            found[backbone] |= load_pretrained(model, backbone, path)
    for stage in experiment.training_stages:
        frozen = {part.name for part in frozen_part(model, stage)} if stage.batch_norm == "frozen" else set()
        moving = [
            layer.name
            for layer in model.layers
            if isinstance(layer, keras.layers.BatchNormalization) and layer.name not in frozen
        ]
        for name, about in found.items():
            if about.get("folded") and moving:
                raise DataError(
                    f"{about['path']}: the BatchNorm of these weights of {name} is folded into the convolutions, "
                    f"so it has no statistics that could adapt or train, as {moving[0]} and {len(moving) - 1} more "
                    "would here. They are good for a frozen part: --recipe sound or fast. For this recipe get the "
                    "original weights, or run on --weights random, which is not comparable."
                )
    return found


def load_all(model: keras.Model, pretrained: Mapping[str, Mapping[str, Any]]) -> None:
    """Puts the weights that a manifest names into a freshly built network.

    Raises:
        DataError: if a file is missing, or no longer the one that the run began with.
    """
    for backbone, about in pretrained.items():
        if about["source"] == "random":
            continue
        now = load_pretrained(model, backbone, about["path"])
        if now["sha256"] != about["sha256"]:
            raise DataError(
                f"{about['path']} is not the weights file that this run began with: its SHA-256 is {now['sha256']}, "
                f"expected {about['sha256']}. Put the original file back, or start the run again."
            )
