"""The exact state of a training: what is needed to go on after a kill as if nothing had happened, bit for bit.

One folder per generation in `state/`, renamed when it is whole; JSON and npz, no pickle. Keras' own BackupAndRestore
loses the dropout generators and the counters of the callbacks (measured, Keras 3.15), so this keeps all of them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasexp import files
from kerasexp.config.schema import Experiment
from kerasexp.errors import DataError
from kerasexp.models import build

# what a callback of Keras changes while it watches; the rest of it comes from the configuration
_COUNTERS = ("wait", "best", "best_epoch", "stopped_epoch", "cooldown_counter")


@dataclasses.dataclass
class Position:
    """Where a training stands.

    Attributes:
        stage: index of the stage.
        earlier_epochs: finished epochs of the stages before.
        epoch: finished epochs of the stage.
        step: finished steps of the current epoch; all of them while the epoch is trained but not yet validated.
        images_seen: image passes so far, over all stages; those of a stage taken over from another run are counted.
        seconds: wall time of the training so far, over all processes; a stage taken over counts with what it took
            there.
        epoch_seconds: the part of it that belongs to the current epoch.
        best_epoch: number of the best epoch of the stage (from 1) by the monitored metric.
        best_value: its value.
        stop_reason: why the stage is over, in words; empty while it is not.
        cut: the layer up to which the stage trains on features that were computed once; None where every step computes
            the whole network.
    """

    stage: int = 0
    earlier_epochs: int = 0
    epoch: int = 0
    step: int = 0
    images_seen: int = 0
    seconds: float = 0.0
    epoch_seconds: float = 0.0
    best_epoch: int | None = None
    best_value: float | None = None
    stop_reason: str = ""
    cut: str | None = None

    @property
    def all_epochs(self) -> int:
        """Finished epochs of the whole training."""
        return self.earlier_epochs + self.epoch

    @property
    def best_of_all(self) -> int | None:
        """`best_epoch` counted from the start of the training."""
        return None if self.best_epoch is None else self.earlier_epochs + self.best_epoch


def build_seeded(
    experiment: Experiment,
    image_shape: tuple[int, int, int],
    classes: int,
    scope: contextlib.AbstractContextManager[Any] | None = None,
) -> keras.Model:
    """The experiment's network with weights and dropout generators drawn from its seed.

    Args:
        experiment: what is trained.
        image_shape: height, width, channels.
        classes: of the data.
        scope: of several devices, to make the variables in; none by default.
    """
    # Keras draws the seeds of unseeded initialisers and dropout layers from generators that this sets: right before the
    # model is built, so that what ran earlier in the process changes nothing
    keras.backend.clear_session()
    keras.utils.set_random_seed(experiment.seed)
    with scope or contextlib.nullcontext():
        return build(experiment, image_shape, classes)


def variables_of(model: keras.Model, weights: Sequence[Any] | None = None) -> list[Any]:
    """All that training changes: weights, dropout generators, optimizer slots, running metric sums.

    Args:
        model: what is trained, compiled.
        weights: those that change; by default all of the model's.
    """
    generators = [generator.state for layer in model._flatten_layers() for generator in layer._seed_generators]
    weights = model.variables if weights is None else weights
    found: dict[int, Any] = {}
    for variable in [*weights, *generators, *model.optimizer.variables, *model.metrics_variables]:
        found.setdefault(id(variable), variable)
    return list(found.values())


def frozen_digest(model: keras.Model, changing: Sequence[Any]) -> str:
    """The digest of the weights that no stage so far has changed: they are not saved, but must be the same again."""
    changed = {id(weight) for weight in changing}
    content = hashlib.sha256()
    for weight in model.weights:
        if id(weight) not in changed:
            content.update(np.ascontiguousarray(weight.numpy()).data)
    return content.hexdigest()


class StateFolder:
    """The generations of one run's state.

    Attributes:
        folder: `state/` of the run.
        frozen: what `frozen_digest` says of the model in training.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.frozen = ""

    def _generations(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("[0-9]*") if path.is_dir())

    def save(
        self, variables: Sequence[Any], callbacks: list[Any], position: Position, best_weights: list[np.ndarray] | None
    ) -> None:
        """Writes a new generation and then removes the older one.

        A kill or a full disk at any instant leaves the old generation or the new one.

        Args:
            variables: what training changes, as `variables_of` gives it.
            callbacks: of Keras, with counters.
            position: where the training stands.
            best_weights: of the best epoch so far.
        """
        self.folder.mkdir(exist_ok=True)
        self.remove_leftovers()
        generations = self._generations()
        number = int(generations[-1].name) + 1 if generations else 1
        unfinished = self.folder / f".unfinished-{number:06d}"
        try:
            unfinished.mkdir()
            files.write_npz(unfinished / "variables.npz", **{str(i): v.numpy() for i, v in enumerate(variables)})
            best_file = self._best_file(position)
            if best_weights is not None and not best_file.exists():
                files.write_npz(best_file, **{str(i): array for i, array in enumerate(best_weights)})
            content = {
                "position": dataclasses.asdict(position),
                "callbacks": [_counters(callback) for callback in callbacks],
                "variables": [[variable.path, list(variable.shape)] for variable in variables],
                "sha256": files.file_digest(unfinished / "variables.npz"),
                "frozen": self.frozen,
            }
            files.write_json(unfinished / "state.json", content)
            unfinished.rename(self.folder / f"{number:06d}")
            _sync(self.folder)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        for old in generations:
            shutil.rmtree(old)
        for path in self.folder.glob("best-*.npz"):
            if path != best_file:
                path.unlink()

    def take_over(self, other: StateFolder) -> None:
        """Begins with the last generation of another run, whose training was as long as its epochs and is now longer.

        What that run ended by of its own accord (early stopping) stays its end. A kill at any instant leaves no state
        or the whole one.

        Args:
            other: of a run that differs in `epochs` alone.
        """
        beside = self.folder.with_name(f".{self.folder.name}-unfinished")
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir()
        generation = other._generations()[-1]
        shutil.copytree(generation, beside / "000001")
        content = files.read_json(generation / "state.json")
        if content["position"]["stop_reason"] == "all epochs":  # in the trainer's words
            content["position"]["stop_reason"] = ""
        files.write_json(beside / "000001" / "state.json", content)
        for path in other.folder.glob("best-*.npz"):
            shutil.copy2(path, beside)
        beside.rename(self.folder)
        _sync(self.folder.parent)

    def load_position(self) -> Position | None:
        """Where the last whole generation stands; None if there is none."""
        generations = self._generations()
        if not generations:
            return None
        content = files.read_json(generations[-1] / "state.json")
        try:
            return Position(**content["position"])
        except (KeyError, TypeError):
            raise DataError(
                f"{generations[-1]} was written by another version of kerasexp. Use that one, or start the run again."
            ) from None

    def restore(self, variables: Sequence[Any], callbacks: list[Any]) -> list[np.ndarray] | None:
        """Puts the last generation into the variables of a built and compiled model, and into its callbacks.

        Returns:
            The weights of the best epoch, if the generation has any.

        Raises:
            DataError: if the state is damaged or belongs to another network, or the frozen weights are others.
        """
        generation = self._generations()[-1]
        content, arrays = _verified(generation)
        if [[variable.path, list(variable.shape)] for variable in variables] != content["variables"]:
            raise DataError(
                f"{generation} belongs to another network or another version of Keras. Start the run again."
            )
        if content.get("frozen", self.frozen) != self.frozen:
            raise DataError(
                f"{generation} was saved beside other frozen weights than those of now. Start the run again."
            )
        for i, variable in enumerate(variables):
            variable.assign(arrays[str(i)])
        for callback, counters in zip(callbacks, content["callbacks"], strict=True):
            callback.__dict__.update(counters)
        return self._best_weights(Position(**content["position"]))

    def weights(self) -> tuple[dict[str, np.ndarray], list[np.ndarray] | None]:
        """The last generation's variables by their path, and the changing weights of the best epoch if it has any.

        Raises:
            DataError: if there is no state, or a damaged one.
        """
        generations = self._generations()
        if not generations:
            raise DataError(f"{self.folder} holds no saved state. Start the run again.")
        content, arrays = _verified(generations[-1])
        values = {path: arrays[str(i)] for i, (path, _) in enumerate(content["variables"])}
        return values, self._best_weights(Position(**content["position"]))

    def remove_leftovers(self) -> None:
        """Removes what a killed save left behind."""
        for path in self.folder.glob(".unfinished-*"):
            shutil.rmtree(path)
        for path in self.folder.glob(".*.part*"):
            path.unlink()

    def _best_weights(self, position: Position) -> list[np.ndarray] | None:
        if position.best_epoch is None:
            return None
        best_file = self._best_file(position)
        _require(best_file)
        best = files.read_npz(best_file)
        return [best[str(i)] for i in range(len(best))]

    def _best_file(self, position: Position) -> Path:
        return self.folder / f"best-{position.stage}-{position.best_epoch or 0:06d}.npz"


def _verified(generation: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The description and the arrays of a generation whose checksum matches."""
    content, variables = files.read_json(generation / "state.json"), generation / "variables.npz"
    _require(variables)
    if files.file_digest(variables) != content["sha256"]:
        raise DataError(f"{variables} is damaged: its checksum does not match. Start the run again.")
    return content, files.read_npz(variables)


def _require(path: Path) -> None:
    if not path.exists():
        raise DataError(f"{path} is missing: the saved state is damaged. Start the run again.")


def _counters(callback: Any) -> dict[str, Any]:
    found = {name: vars(callback)[name] for name in _COUNTERS if name in vars(callback)}
    return {name: value if value is None or isinstance(value, int) else float(value) for name, value in found.items()}


def _sync(folder: Path) -> None:
    """Puts a folder's entries on the disk; not every file system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
