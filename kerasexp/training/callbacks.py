"""What watches an epoch: Keras' own callbacks from the configuration, and ours for the history and the best weights."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasexp import files
from kerasexp.config.schema import Stage
from kerasexp.errors import DataError
from kerasexp.runs import read_history
from kerasexp.training.alpha import AlphaSchedule


def keras_callbacks(stage: Stage) -> list[keras.callbacks.Callback]:
    """Early stopping, the plateau rule and the alphas of a stage, with every argument from the configuration."""
    callbacks: list[keras.callbacks.Callback] = []
    if stage.early_stopping:
        early = stage.early_stopping
        callbacks.append(
            keras.callbacks.EarlyStopping(early.monitor, min_delta=early.min_delta, patience=early.patience)
        )
    if stage.reduce_learning_rate:
        plateau = stage.reduce_learning_rate
        callbacks.append(
            keras.callbacks.ReduceLROnPlateau(
                plateau.monitor,
                factor=plateau.factor,
                patience=plateau.patience,
                min_delta=plateau.min_delta,
                cooldown=plateau.cooldown,
                min_lr=plateau.min_learning_rate,
            )
        )
    if stage.alpha:
        callbacks.append(AlphaSchedule(stage.alpha.first, stage.alpha.growth, stage.alpha.epochs_each))
    return callbacks


class BestWeights:
    """Remembers the weights of the best epoch by the monitored metric; the first of equals wins.

    Args:
        monitor: `val_loss` or `val_accuracy`.
        variables: the weights that change.
    """

    def __init__(self, monitor: str, variables: Sequence[Any]):
        self.monitor = monitor
        self.sign = 1.0 if monitor == "val_accuracy" else -1.0
        self.variables = variables
        self.weights: list[np.ndarray] | None = None

    def is_better(self, logs: dict[str, float], best_value: float | None) -> bool:
        value = logs.get(self.monitor, math.nan)
        return not math.isnan(value) and (best_value is None or self.sign * value > self.sign * best_value)

    def remember(self) -> None:
        self.weights = [np.array(variable) for variable in self.variables]

    def of_model(self, model: keras.Model) -> list[np.ndarray] | None:
        """All weights of the model as they were in the best epoch, None without one; the model stays as it is."""
        if self.weights is None:
            return None
        changed = {id(variable): weight for variable, weight in zip(self.variables, self.weights, strict=True)}
        return [changed.get(id(variable), np.array(variable)) for variable in model.weights]


class History:
    """`history.csv` and the TensorBoard events of a run: one row and one step per finished epoch.

    After a resume both are cut back to the epochs of the saved state, so that neither has gaps or doubles.
    """

    def __init__(self, csv_path: Path, events: Path):
        self.csv_path = csv_path
        self.events = events
        self._writer: Any = None

    def cut_to(self, epochs: int) -> None:
        """Keeps the first `epochs` rows and writes the events again from them."""
        rows: list[dict[str, float]] = []
        if epochs:
            rows = read_history(self.csv_path)[:epochs]
            if len(rows) != epochs:
                raise DataError(f"{self.csv_path} is damaged: {len(rows)} of {epochs} epochs. Start the run again.")
        self.close()  # what the stage before it wrote with goes on in a removed file
        shutil.rmtree(self.events, ignore_errors=True)
        if not rows:
            self.csv_path.unlink(missing_ok=True)
            return
        lines = [",".join(rows[0]), *(_line(row) for row in rows)]
        files.write_text(self.csv_path, "\n".join(lines) + "\n")
        for row in rows:
            self._write_event(row)

    def append(self, row: dict[str, float]) -> None:
        """Adds a finished epoch; `row["epoch"]` counts from 1, and what was not measured is NaN."""
        new = not self.csv_path.exists()
        with self.csv_path.open("a", encoding="utf-8") as file:
            if new:
                file.write(",".join(row) + "\n")
            file.write(_line(row) + "\n")
        self._write_event(row)

    def rows(self) -> list[dict[str, float]]:
        """The epochs so far."""
        return read_history(self.csv_path)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _write_event(self, row: dict[str, float]) -> None:
        if self._writer is None:
            self._writer = tf.summary.create_file_writer(str(self.events))
        with self._writer.as_default(step=int(row["epoch"])):
            for name, value in row.items():
                if name != "epoch" and not math.isnan(value):
                    tf.summary.scalar(name, value)
        self._writer.flush()


def _line(row: dict[str, float]) -> str:
    # repr of a float reads back as the same float
    return ",".join(repr(value) for value in row.values())
