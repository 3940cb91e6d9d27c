"""One trial of a search: an ordinary run, trained without a look at the test images."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kerasexp import environment, files
from kerasexp.config.schema import Experiment
from kerasexp.data.dataset import Dataset
from kerasexp.errors import DataError, Interrupted, KerasexpError
from kerasexp.runs import Run, create_run, read_history
from kerasexp.training.progress import Progress
from kerasexp.training.state import StateFolder
from kerasexp.workflows.cluster import UNLOCKING
from kerasexp.workflows.code import code_digest
from kerasexp.workflows.execution import execute
from kerasexp.workflows.prepare import describe_data, prepare_data, same_data
from kerasexp.workflows.pretrained import prepare_network
from kerasexp.workflows.tuning_record import SearchRecord, TrialRecord

HEAVY = ("state", "model.keras", "best.keras", "events")  # what only the best trials keep


class TrialFailed(KerasexpError):
    """The settings of a trial make no network, or one that cannot be trained; the next ones may."""


@dataclasses.dataclass
class Trials:
    """Runs the trials of one search.

    Attributes:
        record: of the search.
        base: the experiment whose settings are varied.
        configure: the experiment of a trial.
        precision: of all trials, resolved.
        command: the command line that repeats a trial's run.
        data_dir: folder of the data.
        offline: never use the network.
    """

    record: SearchRecord
    base: Experiment
    configure: Callable[[TrialRecord], Experiment]
    precision: str
    command: Callable[[TrialRecord], str]
    data_dir: str | Path | None = None
    offline: bool = False
    _dataset: tuple[dict[str, Any], Dataset] | None = None

    def run(self, trial: TrialRecord, progress: Progress, max_seconds: float | None) -> bool:
        """Trains a trial, from its exact state if it was begun before.

        Args:
            trial: of the record.
            progress: is told how the training goes.
            max_seconds: of training after which it is stopped.

        Returns:
            False if the time was over before the trial was.

        Raises:
            Interrupted: after a signal, with the state saved.
            TrialFailed: if the settings make no network or the training fails.
            KerasexpError: if it is no fault of the trial; the search can go on with it later.
        """
        if self._dataset is None:
            self._data(self.base)  # what is wrong with this is wrong with every trial
        with _faults_of_the_trial():
            experiment = self.configure(trial)
            dataset = self._data(experiment)
            run = self._begun(trial, experiment) or self._begin(trial, experiment, dataset)
        run.wait_until_free(UNLOCKING)  # by a worker whose chief has given it up, or whose machine is lost
        with run.locked(), _quiet_tracing():
            if run.manifest["status"] != "complete":
                same_data(dataset, run.manifest)
                self._take_over(trial, run)
                with _faults_of_the_trial():
                    execute(run, experiment, dataset, progress, max_seconds, evaluated=False)
        return bool(run.manifest["status"] == "complete")

    def collect(self, trial: TrialRecord) -> None:
        """Notes in a trial what came of its run."""
        experiment = self.configure(trial)
        run = self.locate(trial)
        if run is None:
            raise DataError(
                f"The run of trial {trial.number} is gone from {self.record.folder}. Begin again with --out."
            )
        manifest = run.manifest
        trial.epochs_run, trial.seconds = manifest["epochs_run"], manifest["seconds"]
        trial.parameters = manifest["parameters"]["total"]
        trial.images = sum(manifest["data"]["counts"]["validation"])
        trial.best_epoch, trial.score = score(run, experiment)

    def locate(self, trial: TrialRecord) -> Run | None:
        """Notes in a trial where its run lies, if it has one."""
        run = self._begun(trial, self.configure(trial))
        trial.run = None if run is None else str(run.folder.relative_to(self.record.folder))
        return run

    def prune(self, kept: set[int]) -> None:
        """Takes states and models away from the runs of ended trials that are not among `kept`."""
        for trial in self.record.trials:
            if trial.ended is None or trial.number in kept or not trial.kept:
                continue
            trial.kept = False
            if trial.run is not None:
                run = Run(self.record.folder / trial.run)
                run.update_manifest(pruned=list(HEAVY))
                for name in HEAVY:
                    path = run.path(name)
                    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        self.record.save()

    def _data(self, experiment: Experiment) -> Dataset:
        """The images of a trial; read again only where it wants them otherwise than the one before."""
        wanted = experiment.data.model_dump()
        if self._dataset is None or self._dataset[0] != wanted:
            self._dataset = None  # two data sets need not fit into memory
            self._dataset = wanted, prepare_data(experiment, self.data_dir, self.offline)
        return self._dataset[1]

    def _begun(self, trial: TrialRecord, experiment: Experiment) -> Run | None:
        """The run of a trial that was begun before, also if the kill came before the record knew its folder."""
        for path in sorted((self.record.folder / experiment.name).glob("*/manifest.json")):
            manifest = files.read_json(path)
            if manifest.get("trial") == trial.number and manifest.get("group") == self.record.identifier:
                run = Run(path.parent)
                if manifest["config_digest"] != experiment.digest():
                    raise DataError(
                        f"{run} is trial {trial.number} with other settings: the experiment's file or the data has "
                        "changed since the search began. Begin again elsewhere with --out."
                    )
                return run
        return None

    def _begin(self, trial: TrialRecord, experiment: Experiment, dataset: Dataset) -> Run:
        pretrained = prepare_network(experiment, dataset, self.data_dir, self.offline)
        return create_run(
            experiment,
            self.record.folder,
            group=self.record.identifier,
            trial=trial.number,
            parent=trial.parent,
            command=self.command(trial),
            precision=self.precision,
            data=describe_data(dataset, self.data_dir),
            pretrained=pretrained,
            kerasexp=importlib.metadata.version("kerasexp"),
            versions=environment.versions(),
            hardware=environment.hardware(),
            code=code_digest(),
            git=environment.git_state(),
        )

    def _take_over(self, trial: TrialRecord, run: Run) -> None:
        """A promoted trial starts where its parent ended, optimizer and generators included."""
        if trial.parent is None or run.path("state").exists():
            return
        parent = self.record.trials[trial.parent]
        assert parent.run is not None
        folder = self.record.folder / parent.run
        if not (folder / "state").is_dir() or not (folder / "history.csv").is_file():
            raise DataError(
                f"{folder} has lost the state that trial {trial.number} starts from. Begin again with --out."
            )
        files.write_text(run.path("history.csv"), (folder / "history.csv").read_text(encoding="utf-8"))
        StateFolder(run.path("state")).take_over(StateFolder(folder / "state"))


@contextlib.contextmanager
def _faults_of_the_trial() -> Iterator[None]:
    """Tells the errors that the settings of a trial lead to from those that the next trial would meet as well."""
    try:
        yield
    except (Interrupted, DataError):
        raise
    except KerasexpError as error:
        # `execute` tells a full disk in words that are for a run of its own
        if getattr(error.__context__, "errno", None) in files.DISK_FULL:
            raise KerasexpError(
                "The disk is full. The last saved state of the trial is kept: make room, and the same command goes on."
            ) from None
        raise TrialFailed(str(error)) from None


@contextlib.contextmanager
def _quiet_tracing() -> Iterator[None]:
    """Without TensorFlow's advice on functions that are traced again and again: each trial has functions of its own."""

    def other(message: logging.LogRecord) -> bool:
        return "retracing" not in message.getMessage()

    logger = logging.getLogger("tensorflow")
    logger.addFilter(other)
    try:
        yield
    finally:
        logger.removeFilter(other)


def score(run: Run, experiment: Experiment) -> tuple[int, float]:
    """Epoch and validation accuracy of the weights that the recipe takes.

    Raises:
        DataError: if the history is damaged.
    """
    history = read_history(run.path("history.csv"))
    manifest = run.manifest
    epoch = manifest["epochs_run"] if experiment.weights == "last" else manifest["best_epoch"] or manifest["epochs_run"]
    found = [row["val_accuracy"] for row in history if row["epoch"] == epoch]
    if not found:
        raise DataError(f"{run.path('history.csv')} is damaged: it lacks the validation accuracy of epoch {epoch}.")
    return epoch, found[0]
