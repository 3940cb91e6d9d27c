"""Plans: lists of runs, where nothing is done twice and one failure does not stop the rest.

What to run is a `PlannedRun`, where it lies a `Place`, and `run_one` does one run of a plan wherever it is called. In
which order and in which process is an executor's affair: `one_after_another` here, `on_cluster` in `cluster.py`.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kerasexp import environment, files
from kerasexp.config.schema import Experiment
from kerasexp.errors import DataError, Interrupted, KerasexpError, UsageError
from kerasexp.runs import Run, find_runs
from kerasexp.training.progress import Progress, console_progress, duration
from kerasexp.workflows.code import code_digest
from kerasexp.workflows.planned import PlannedRun
from kerasexp.workflows.resume import resume
from kerasexp.workflows.train import announce_tensorflow, check_time, start

if TYPE_CHECKING:
    from kerasexp.workflows.cluster import Cluster


@dataclasses.dataclass
class Place:
    """Where the runs of a plan lie, and their data.

    Attributes:
        out: folder of all runs, `runs` by default.
        data_dir: folder of the data; see `kerasexp.train`.
        offline: never use the network.
    """

    out: str | Path | None = None
    data_dir: str | Path | None = None
    offline: bool = False
    _digests: dict[str, str] = dataclasses.field(default_factory=dict, repr=False)

    def data_digest(self, experiment: Experiment) -> str:
        """The digest of an experiment's images as they lie here now; computed once for all runs of a plan.

        Raises:
            DataError: if the data is missing, damaged or not as expected.
        """
        from kerasexp.workflows.prepare import prepare_data

        key = files.digest([experiment.data.model_dump(mode="json"), experiment.seed])  # the seed may draw them
        if key not in self._digests:
            self._digests[key] = prepare_data(experiment, self.data_dir, self.offline).digest()
        return self._digests[key]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a planned run.

    Attributes:
        planned: what was to be run.
        what: `reused` (it was finished already), `resumed`, `trained`, `failed` or `not started`.
        run: its folder, where there is one.
        reason: why it failed, was not started, or ended before its end; empty otherwise.
        error: what it failed with.
    """

    planned: PlannedRun
    what: Literal["reused", "resumed", "trained", "failed", "not started"]
    run: Run | None = None
    reason: str = ""
    error: Exception | None = dataclasses.field(default=None, compare=False)

    @property
    def is_complete(self) -> bool:
        """Whether the run went to its own end."""
        return self.run is not None and self.run.manifest["status"] == "complete"


@dataclasses.dataclass(frozen=True)
class TimeLimit:
    """How long a plan may take.

    Attributes:
        deadline: when it is over, as `time.monotonic` counts; None without a limit.
        shares: whether each run gets an equal share of the time that is left, so that the first does not take it all.
    """

    deadline: float | None = None
    shares: bool = False

    def seconds(self, waiting: int, at_once: int = 1) -> float | None:
        """The time of the next run, or None without a limit.

        Args:
            waiting: how many runs are still to be started, this one among them.
            at_once: how many run at the same time.
        """
        if self.deadline is None:
            return None
        left = self.deadline - time.monotonic()
        return left / math.ceil(waiting / at_once) if self.shares else left


def run_plan(
    plan: Sequence[PlannedRun],
    *,
    out: str | Path | None = None,
    data_dir: str | Path | None = None,
    offline: bool = False,
    max_time: float | None = None,
    shares: bool = False,
    group: str | None = None,
    cluster: str | None = None,
    cpus_per_run: int | None = None,
) -> list[Outcome]:
    """Makes the runs of a plan, one after the other in this process or spread over a Ray cluster.

    A run that lies finished in `out` is reused, one that was interrupted, stopped or killed goes on from its exact
    state, and one that fails does not stop the rest. The same plan again therefore goes on where it was left.

    Args:
        plan: what to run, in this order.
        out: folder of all runs, `runs` by default.
        data_dir: folder of the data; see `kerasexp.train`.
        offline: never use the network.
        max_time: seconds for the whole plan. The runs of that moment are saved, evaluated and ended as `stopped`; later
            ones are not started.
        shares: whether each run gets an equal share of the time that is left, so that the first does not take it all.
        group: what the manifest of each new run names as its group.
        cluster: `local` (this machine), `auto` (the cluster that this machine belongs to) or `HOST:PORT`; one after the
            other in this process by default.
        cpus_per_run: processor cores, and TensorFlow's threads, of each run on a cluster; a whole machine by default.

    Returns:
        What became of each run, in the plan's order.

    Raises:
        UsageError: for a time limit or a number of cores that is none, or a cluster that is not there.
        KerasexpError: if Ray is not installed.
        Interrupted: after Ctrl-C or SIGTERM, with everything saved.
    """
    check_time(max_time)
    machines = cluster_of(cluster, cpus_per_run)
    progress = console_progress()
    announce_tensorflow(progress)
    environment.start_tensorflow()  # before anything else imports it
    place = Place(out, data_dir, offline)
    limit = TimeLimit(None if max_time is None else time.monotonic() + max_time, shares)
    if machines is None:
        ended = one_after_another(plan, place, limit, group, progress)
    else:
        from kerasexp.workflows.cluster import on_cluster

        ended = on_cluster(plan, place, limit, group, machines)
    outcomes: dict[int, Outcome] = {}
    try:
        for number, outcome in ended:
            outcomes[number] = outcome
    except (Interrupted, KeyboardInterrupt):
        done = sum(outcome.is_complete for outcome in outcomes.values())
        raise Interrupted(
            f"Interrupted; everything is saved. {done} of {len(plan)} runs are finished. The same command goes on."
        ) from None
    return [outcomes[number] for number in range(len(plan))]


def cluster_of(address: str | None, cpus_per_run: int | None) -> Cluster | None:
    """The machines that `--cluster` and `--cpus-per-run` name; None without either.

    Raises:
        UsageError: for an address or a number of cores that is none.
        KerasexpError: if Ray is not installed.
    """
    from kerasexp.workflows.cluster import Cluster

    if address is not None:
        return Cluster(address, cpus_per_run)
    if cpus_per_run is not None:
        raise UsageError("--cpus-per-run: it divides the machines of a cluster. Expected --cluster with it.")
    return None


def one_after_another(
    plan: Sequence[PlannedRun], place: Place, limit: TimeLimit, group: str | None, progress: Progress
) -> Iterator[tuple[int, Outcome]]:
    """Makes the runs of a plan in this process; yields the number of each, from 0, and what became of it."""
    for number, planned in enumerate(plan):
        progress.note(f"run {number + 1} of {len(plan)}: {planned}")
        outcome = run_one(planned, place, limit.seconds(len(plan) - number), group)
        progress.note(f"run {number + 1} of {len(plan)}: {told(outcome)}")
        yield number, outcome


def run_one(
    planned: PlannedRun,
    place: Place,
    seconds: float | None = None,
    group: str | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Makes one run of a plan, or takes the one that is there.

    Args:
        planned: what to run.
        place: where runs and data lie.
        seconds: of training at the most; without any left nothing is started.
        group: what the manifest of a new run names as its group.
        progress: is told how it goes; the console by default.

    Raises:
        Interrupted: after Ctrl-C or SIGTERM, with the state saved.
    """
    found = None
    try:
        found = earlier_run(planned, place)
        if found is not None and found.manifest["status"] == "complete":
            return Outcome(planned, "reused", found)
        if seconds is not None and seconds <= 0:
            return Outcome(planned, "not started", found, "the time was up")
        if found is not None:
            run = resume(found, max_time=seconds, data_dir=place.data_dir, offline=place.offline, progress=progress)
        else:
            run = start(
                planned,
                data_dir=place.data_dir,
                offline=place.offline,
                max_time=seconds,
                out=place.out,
                group=group,
                progress=progress,
            )
        reason = "stopped by the time limit" if run.manifest["status"] == "stopped" else ""
        return Outcome(planned, "trained" if found is None else "resumed", run, reason)
    except Interrupted:
        raise
    except KerasexpError as error:
        return Outcome(planned, "failed", found, str(error), error)
    except Exception as error:
        return Outcome(planned, "failed", found, " ".join(f"{type(error).__name__}: {error}".split()), error)


def earlier_run(planned: PlannedRun, place: Place) -> Run | None:
    """The run that is this very one: the newest finished, else the newest unfinished.

    Configuration, seed, data, pretrained weights and the code that decides numbers are equal.

    Raises:
        DataError: if there is a run to compare with, but the data is missing, damaged or not as expected.
    """
    experiment = planned.experiment
    found = [(run, run.manifest) for run in find_runs(place.out, experiment.name)]
    found = [(run, manifest) for run, manifest in found if _same_settings_and_code(manifest, experiment)]
    if not found:
        return None
    digest = place.data_digest(experiment)
    same = [
        (run, manifest)
        for run, manifest in found
        if manifest.get("data", {}).get("digest") == digest and _same_weights(manifest, experiment, place)
    ]
    finished = [(run, manifest) for run, manifest in same if manifest["status"] == "complete"]
    return next((run for run, _ in reversed(finished or same)), None)


def _same_settings_and_code(manifest: Mapping[str, Any], experiment: Experiment) -> bool:
    return (
        manifest.get("config_digest") == experiment.digest()
        and manifest.get("seed") == experiment.seed
        and manifest.get("code") == code_digest()
    )


def _same_weights(manifest: Mapping[str, Any], experiment: Experiment, place: Place) -> bool:
    """Whether the weights that a new run would start from are those of this one."""
    from kerasexp.models.weights import find_weights

    for backbone, about in manifest.get("pretrained", {}).items():
        if about["source"] == "random":
            continue
        try:
            alpha = experiment.model.get("alpha", 1.0)
            path = find_weights(backbone, about["source"], place.data_dir, offline=True, alpha=alpha)
        except DataError:
            continue  # nothing here that could be others
        if files.file_digest(path) != about["sha256"]:
            return False
    return True


def told(outcome: Outcome) -> str:
    """What became of a run, in words."""
    if outcome.run is None or outcome.what in ("failed", "not started"):
        return f"{outcome.what}: {outcome.reason}"
    spent = duration(outcome.run.manifest["seconds"])
    reason = f", {outcome.reason}" if outcome.reason else ""
    return f"{outcome.what}{reason}, {spent} of training in {outcome.run}"
