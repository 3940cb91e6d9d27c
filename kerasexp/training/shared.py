"""Autoencoders that several runs begin with, trained once and kept in the user's cache."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path
from typing import Any

import numpy as np

from kerasexp import files
from kerasexp.errors import DataError
from kerasexp.models.deep_kmeans import DeepKMeans
from kerasexp.runs import Run
from kerasexp.training.cache import autoencoder_cache


class SharedAutoencoder:
    """What a training of the autoencoder came to, wherever nothing that decides its bits differs.

    Args:
        path: the `.npz` in the user's cache.
    """

    def __init__(self, path: Path):
        self.path = path

    @classmethod
    def of(cls, run: Run, stage: int) -> SharedAutoencoder:
        """That of a run's stage: known by its data, network, settings, seed, code, versions and processor."""
        experiment, manifest = run.experiment, run.manifest
        network = {key: value for key, value in experiment.model.items() if key != "clusters"}
        stages = [one.model_dump(mode="json", exclude={"alpha"}) for one in experiment.training_stages[: stage + 1]]
        parts = [
            manifest["data"]["digest"],
            experiment.data.model_dump(mode="json"),
            experiment.network,
            network,
            stages,
            experiment.augmentation.model_dump(mode="json"),
            experiment.seed,
            manifest["precision"],
            manifest.get("code"),
            manifest["versions"],
            [manifest["hardware"][key] for key in ("processor", "threads", "gpu")],
        ]
        return cls(autoencoder_cache() / f"{files.digest(parts)}.npz")

    def keep(self, model: DeepKMeans, history: list[dict[str, float]]) -> None:
        """Writes the weights of the autoencoder and the epochs that made them; a full disk leaves them out."""
        columns = list(history[0])
        arrays = {str(number): np.array(weight) for number, weight in enumerate(model.autoencoder_weights)}
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            table = np.array([[row[column] for column in columns] for row in history])
            files.write_npz(self.path, columns=np.array(columns), history=table, **arrays)

    def take(self, model: DeepKMeans) -> list[dict[str, Any]] | None:
        """Puts the kept weights into the autoencoder of a freshly built network.

        Returns:
            The epochs that made them, or None where there are none, or what is there is damaged. Their clustering
            losses are NaN: they stand on the alpha and the clusters of the run that kept them.
        """
        if not self.path.exists():
            return None
        try:
            kept = files.read_npz(self.path)
        except DataError:
            return None  # it is trained and written again
        for number, weight in enumerate(model.autoencoder_weights):
            weight.assign(kept[str(number)])
        columns = kept["columns"].tolist()
        rows = [dict(zip(columns, row, strict=True)) for row in kept["history"].tolist()]
        return [row | dict.fromkeys(row.keys() & {"clustering_loss", "val_clustering_loss"}, math.nan) for row in rows]
