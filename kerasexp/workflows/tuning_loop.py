"""The loop of a search: a trial is proposed, trained and told."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from kerasexp.errors import KerasexpError
from kerasexp.training.progress import Progress
from kerasexp.workflows.tuning_oracles import OBJECTIVE
from kerasexp.workflows.tuning_record import SearchRecord, TrialRecord
from kerasexp.workflows.tuning_trials import TrialFailed, Trials

FAILURES = 3  # one after the other, after which a search ends
WAIT = 0.5  # seconds, while the oracle waits for the trials of other workers


def run_trials(
    oracle: Any,
    tuner_id: str,
    trial_of: Callable[[int], TrialRecord],
    runner: Trials,
    progress: Progress,
    deadline: float,
) -> bool:
    """Runs what an oracle proposes until it proposes no more.

    Args:
        oracle: of the search, or a worker's client of it.
        tuner_id: who asks.
        trial_of: the record of a trial, by its number.
        runner: of the trials.
        progress: is told how each training goes.
        deadline: by `time.monotonic`.

    Returns:
        False if the time was over before.

    Raises:
        Interrupted: after a signal, with the state of the trial saved.
        KerasexpError: if no trial can be trained, e.g. without the data; the search can go on with this one later.
    """
    while time.monotonic() < deadline:
        proposed = oracle.create_trial(tuner_id)
        if proposed.status == "STOPPED":
            return True
        if proposed.status == "IDLE":
            time.sleep(WAIT)
            continue
        number = int(proposed.trial_id)
        left = None if deadline == math.inf else max(1e-3, deadline - time.monotonic())
        try:
            if not runner.run(trial_of(number), progress, left):
                return False
            oracle.update_trial(proposed.trial_id, {OBJECTIVE: math.nan})  # the oracle looks the score up in the run
            proposed.status = "COMPLETED"
        except TrialFailed as error:
            runner.record.note_failure(number, str(error))
            proposed.status = "FAILED"
        oracle.end_trial(proposed)
    return False


def stop_after_failures(record: SearchRecord) -> None:
    """Ends a search in which nothing works.

    Raises:
        KerasexpError: if the last three trials failed.
    """
    ended = sorted((trial for trial in record.trials if trial.ended is not None), key=lambda trial: trial.ended or 0)
    last = ended[-FAILURES:]
    if len(last) == FAILURES and all(trial.status == "failed" for trial in last):
        raise KerasexpError(
            f"{FAILURES} trials failed one after the other. The last: {last[-1].message} "
            f"Change the space, or begin again with another --out than {record.folder}."
        )
