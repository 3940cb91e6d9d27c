"""KerasTuner's oracles, which propose the trials, made to go on after a kill from our own record.

KerasTuner writes `oracle.json` and `trial.json` in place, so that a kill can leave half of one, and keeps neither the
random generator of its Bayesian oracle nor the queue of its grid. So its files are not written at all: the trials in
our record are told to a fresh oracle again, in their order, and what it draws depends on the seed and the number of the
trial alone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import keras_tuner
import numpy as np

from kerasexp.config.space import Space, Value
from kerasexp.errors import DataError, KerasexpError
from kerasexp.workflows.tuning_record import SearchRecord, TrialRecord

OBJECTIVE = "val_accuracy"
FACTOR = 3  # of Hyperband: a third of the trials is trained three times as long
STRIDE = 1_000_003  # between the seeds of two trials; an oracle takes a few hundred for one


def hyperparameters(space: Space) -> keras_tuner.HyperParameters:
    """The space in KerasTuner's words."""
    found = keras_tuner.HyperParameters()
    for one in space.dimensions:
        if one.kind == "int":
            found.Int(one.name, int(one.low), int(one.high))
        elif one.is_range:
            found.Float(one.name, one.low, one.high, sampling=one.kind)
        else:
            found.Choice(one.name, list(one.settings), ordered=one.is_number)
    return found


class RecordedOracle(keras_tuner.Oracle):
    """An oracle that writes every beginning and end to the record of a search instead of to files of its own.

    Attributes:
        record: of the search.
        most_trials: how many there may be, or None.
        collect: notes in a trial what came of it.
        on_begin: is told that a trial begins.
        on_end: is told that a trial has ended.
        check: called after each end; what it raises ends the search.
        replaying: while the trials of the record are told to it again.
    """

    record: SearchRecord
    most_trials: int | None = None
    collect: Callable[[TrialRecord], None] = staticmethod(lambda trial: None)
    on_begin: Callable[[TrialRecord], None] = staticmethod(lambda trial: None)
    on_end: Callable[[TrialRecord], None] = staticmethod(lambda trial: None)
    check: Callable[[], None] = staticmethod(lambda: None)
    replaying = False

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        if self.most_trials is not None and int(trial_id) >= self.most_trials and not self.replaying:
            return {"status": "STOPPED"}
        self._seed_state = self.seed + STRIDE * int(trial_id)
        return super().populate_space(trial_id)

    @keras_tuner.synchronized
    def create_trial(self, tuner_id: str) -> Any:
        trial = super().create_trial(tuner_id)
        new = trial.status == "RUNNING" and int(trial.trial_id) >= len(self.record.trials)
        if new and not self.replaying:
            self.record.trials.append(_as_record(trial, self.record.next_place()))
            self.record.save()
        if trial.status == "RUNNING" and not self.replaying:
            self.on_begin(self.record.trials[int(trial.trial_id)])
        return trial

    @keras_tuner.synchronized
    def update_trial(self, trial_id: str, metrics: Any, step: int = 0) -> Any:
        if not self.replaying:
            # from the run itself: what a worker sends has been through float32
            known = self.record.trials[int(trial_id)]
            try:
                self.collect(known)
                metrics = {OBJECTIVE: known.score}
            except KerasexpError as error:  # KerasTuner would keep its lock for ever
                self.record.note_failure(known.number, str(error))
                metrics = {OBJECTIVE: math.nan}
        return super().update_trial(trial_id, metrics, step)

    def end_trial(self, trial: Any) -> None:
        self._end(trial)
        if not self.replaying:
            self.check()  # without KerasTuner's lock, which it would keep for ever after an error

    @keras_tuner.synchronized
    def _end(self, trial: Any) -> None:
        trial.hyperparameters = self.trials[trial.trial_id].hyperparameters  # as they were before float32
        super().end_trial(trial)
        if not self.replaying:
            known = self.record.trials[int(trial.trial_id)]
            known.status = "complete" if self.trials[trial.trial_id].status == "COMPLETED" else "failed"
            known.message = self.record.failure(known.number) if known.status == "failed" else ""
            known.ended = self.record.next_place()
            self.record.save()
            self.on_end(known)

    def save(self) -> None:
        """Writes nothing: the record is written where it changes."""

    def _save_trial(self, trial: Any) -> None:
        """Writes nothing."""

    def may_be_promoted(self) -> set[int]:
        """The trials that another one may still start from."""
        return set()

    @keras_tuner.synchronized
    def release(self, tuner_id: str) -> None:
        """Lets the next worker that asks go on with what this one, who is gone, was working on."""
        trial = self.ongoing_trials.pop(tuner_id, None)
        self.tuner_ids.discard(tuner_id)
        if trial is not None:
            self._retry_queue.insert(0, trial.trial_id)

    def replay(self) -> None:
        """Tells the trials of the record to this fresh oracle.

        Raises:
            DataError: if it proposes other ones: the record is of another version of KerasTuner.
        """
        self.replaying = True
        for place in range(self.record.next_place()):
            begins = [trial for trial in self.record.trials if trial.began == place]
            ends = [trial for trial in self.record.trials if trial.ended == place]
            if len(begins) + len(ends) != 1:
                raise DataError(f"{self.record.path} is damaged: its trials do not follow one another.")
            if begins:
                self._begin_again(begins[0])
            else:
                self._end_again(ends[0])
        for tuner_id in list(self.ongoing_trials):
            self.release(tuner_id)
        self.tuner_ids.clear()
        self.replaying = False

    def _begin_again(self, known: TrialRecord) -> None:
        trial = self.create_trial(f"trial {known.number}")
        if trial.status != "RUNNING" or _as_record(trial, known.began).values != known.values:
            raise DataError(
                f"{self.record.path} cannot be gone on with: KerasTuner proposes another trial {known.number} than it "
                "did when the search began, so it is another version. Install that version, or begin again elsewhere "
                "with --out."
            )

    def _end_again(self, known: TrialRecord) -> None:
        trial = self.ongoing_trials[f"trial {known.number}"]
        trial.status = "COMPLETED" if known.status == "complete" else "FAILED"
        if known.status == "complete":
            self.update_trial(trial.trial_id, {OBJECTIVE: known.score})
        self.end_trial(trial)


class RandomSearch(RecordedOracle, keras_tuner.oracles.RandomSearchOracle):
    """Draws each trial anew."""


class GridSearch(RecordedOracle, keras_tuner.oracles.GridSearchOracle):
    """Tries every combination; ten values of a range."""


class Bayesian(RecordedOracle, keras_tuner.oracles.BayesianOptimizationOracle):
    """A Gaussian process over the trials so far chooses the next one."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        number = int(trial_id)
        complete = sum(trial.status == "COMPLETED" for trial in self.trials.values())
        if self.replaying and complete >= 3 * len(self.hyperparameters.space):
            # what the process chose once is taken as it was: to fit it again takes seconds for each trial
            return {"status": "RUNNING", "values": dict(self.record.trials[number].values)}
        self._random_state = np.random.RandomState((self.seed + STRIDE * number) % 2**32)
        proposed = super().populate_space(trial_id)
        if proposed["status"] == "RUNNING" and self._duplicate(proposed["values"]):
            return self._random_populate_space()  # the process may choose the same point twice
        return proposed


class Hyperband(RecordedOracle, keras_tuner.oracles.HyperbandOracle):
    """Trains many trials for a few epochs and the best of them on, for longer and longer.

    KerasTuner promotes none of a round until enough of it are complete, and a failed trial never is: one failure ends a
    bracket early. So a failed one counts as complete here, with the worst score. Where it is one of the best that are
    left, it takes its place in the next round untrained.
    """

    @keras_tuner.synchronized
    def _end(self, trial: Any) -> None:
        super()._end(trial)
        ended = self.trials[trial.trial_id]
        if ended.status == "FAILED":
            ended.status, ended.score = "COMPLETED", -math.inf

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        proposed = super().populate_space(trial_id)
        while (best := proposed.get("values", {}).get("tuner/trial_id")) and self._failed(best):
            places = [place for bracket in self._brackets for trials in bracket["rounds"] for place in trials]
            next(place for place in places if place["id"] == trial_id)["id"] = best
            proposed = super().populate_space(trial_id)
        return proposed

    def may_be_promoted(self) -> set[int]:
        waiting = set()
        for bracket in self._brackets:
            for number, (trials, promoted) in enumerate(itertools.pairwise(bracket["rounds"]), start=1):
                if len(promoted) < self._get_size(bracket["bracket_num"], number):
                    waiting |= {place["id"] for place in trials} - {place["past_id"] for place in promoted}
        return {int(trial) for trial in waiting if not self._failed(trial)}

    def _failed(self, trial_id: str) -> bool:
        return self.record.trials[int(trial_id)].status == "failed"


def make_oracle(
    tuner: str, space: Space, seed: int, record: SearchRecord, trials: int | None = None, epochs: int | None = None
) -> RecordedOracle:
    """The oracle of a search, told all trials of its record.

    Args:
        tuner: `random`, `bayesian`, `hyperband` or `grid`.
        space: what it chooses from.
        seed: of its draws.
        record: of the search.
        trials: how many there may be; None for as many as there are.
        epochs: of Hyperband's longest trials.
    """
    # KerasTuner takes a seed of 0 for none
    common = {
        "objective": keras_tuner.Objective(OBJECTIVE, "max"),
        "hyperparameters": hyperparameters(space),
        "seed": seed + 1,
        "allow_new_entries": False,
        "tune_new_entries": False,
        "max_consecutive_failed_trials": 10**9,  # the search counts them itself
    }
    oracle: RecordedOracle
    if tuner == "hyperband":
        oracle = Hyperband(max_epochs=epochs, factor=FACTOR, **common)
    else:
        kinds = {"random": RandomSearch, "bayesian": Bayesian, "grid": GridSearch}
        oracle = kinds[tuner](max_trials=None, **common)
    oracle.verbose = 0
    oracle.record = record
    oracle.most_trials = trials
    oracle.replay()
    return oracle


def _as_record(trial: Any, began: int) -> TrialRecord:
    values: dict[str, Value] = {}
    tuner: dict[str, Any] = {}
    for name, value in trial.hyperparameters.values.items():
        if name.startswith("tuner/"):
            tuner[name.removeprefix("tuner/")] = value
        else:
            values[name] = value
    parent = tuner.get("trial_id")
    return TrialRecord(
        number=int(trial.trial_id),
        values=values,
        epochs=tuner.get("epochs"),
        parent=None if parent is None else int(parent),
        bracket=tuner.get("bracket"),
        began=began,
    )
