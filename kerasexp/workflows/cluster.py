"""Plans spread over a Ray cluster: each run is a task of its own, and goes on elsewhere when its worker dies."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import importlib.util
import logging
import os
import re
import socket
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kerasexp import environment
from kerasexp.errors import DataError, Interrupted, KerasexpError, UsageError
from kerasexp.training.interruption import Interruption
from kerasexp.training.progress import Progress
from kerasexp.workflows.cluster_progress import PlainTable, Report, ReportingProgress, console_table
from kerasexp.workflows.code import code_digest
from kerasexp.workflows.plan import Outcome, Place, TimeLimit, earlier_run, run_one
from kerasexp.workflows.planned import PlannedRun

LOOK = 1.0  # seconds between two looks at the runs
DEATHS = 3  # of a run's workers, after which another would not help
SAVING = 120.0  # seconds that running runs have to save after Ctrl-C
UNLOCKING = 180.0  # seconds after which a file server has noticed that the holder of a lock is gone
ANSWER = 5.0  # seconds in which a machine answers, if it does
OBJECT_STORE = 100 * 2**20  # bytes that Ray takes for what tasks hand to each other: here next to nothing


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The machines that a plan is spread over.

    Attributes:
        address: `local` (this machine), `auto` (the cluster that this machine belongs to) or `HOST:PORT`.
        cpus_per_run: processor cores of each run; a whole machine by default, or its part for each GPU.

    Raises:
        UsageError: for another address, or a number of cores that is none.
        KerasexpError: if Ray is not installed.
    """

    address: str
    cpus_per_run: int | None = None

    def __post_init__(self) -> None:
        if self.address not in ("local", "auto") and not re.fullmatch(r"[^\s:/]+:\d{1,5}", self.address):
            raise UsageError(f"--cluster: expected local, auto or HOST:PORT, received: {self.address}.")
        if self.cpus_per_run is not None and self.cpus_per_run < 1:
            raise UsageError(f"--cpus-per-run: expected 1 or more, received: {self.cpus_per_run}.")
        if importlib.util.find_spec("ray") is None:
            raise KerasexpError('--cluster needs Ray, which is not installed: pip install "kerasexp[cluster]".')


@dataclasses.dataclass(frozen=True)
class Share:
    """What each run gets of a machine.

    Attributes:
        cpus: processor cores.
        gpus: 1 where the cluster has any, else 0.
    """

    cpus: int
    gpus: int

    @classmethod
    def of(cls, machines: Sequence[Mapping[str, float]], cpus_per_run: int | None = None) -> Share:
        """The same share for all runs, so that all of them use equally many threads.

        Args:
            machines: the resources of each, as Ray names them: `CPU`, `GPU`.
            cpus_per_run: as the user wants it; by default as many cores as the smallest machine has, or has for each of
                its GPUs.

        Raises:
            UsageError: if no machine has so many cores.
        """
        gpus = int(any(machine.get("GPU", 0) >= 1 for machine in machines))
        cores = [int(machine.get("CPU", 0)) for machine in machines if machine.get("GPU", 0) >= gpus]
        per_gpu = [
            int(machine.get("CPU", 0)) // max(1, int(machine.get("GPU", 0)))
            for machine in machines
            if machine.get("CPU", 0) >= 1 and machine.get("GPU", 0) >= gpus
        ]
        share = cls(cpus_per_run or max(1, min(per_gpu, default=1)), gpus)
        if not any(share.fits(machine) for machine in machines):
            raise UsageError(
                f"The cluster has no machine for runs with {share.words}: the largest has {max(cores, default=0)} "
                "cores. Expected fewer with --cpus-per-run, or a larger machine in the cluster."
            )
        return share

    @property
    def words(self) -> str:
        """E.g. `4 cores and a GPU`."""
        return f"{self.cpus} core{'s'[: self.cpus != 1]}{' and a GPU' if self.gpus else ''}"

    def fits(self, machine: Mapping[str, float]) -> int:
        """How many runs fit on a machine at the same time."""
        by_cpus = int(machine.get("CPU", 0)) // self.cpus
        return min(by_cpus, int(machine.get("GPU", 0))) if self.gpus else by_cpus

    def room(self) -> int:
        """How many runs the machines of this moment can make at the same time; there is always one to be tried."""
        return max(1, sum(self.fits(machine) for machine in machines()))


def on_cluster(
    plan: Sequence[PlannedRun], place: Place, limit: TimeLimit, group: str | None, cluster: Cluster
) -> Iterator[tuple[int, Outcome]]:
    """Makes the runs of a plan on a cluster, in a folder that its machines share.

    Args:
        plan: what to run; the same run twice is made once.
        place: where runs and data lie, on every machine.
        limit: how long it may take.
        group: what the manifest of each new run names as its group.
        cluster: the machines.

    Yields:
        The number of each run, from 0, and what became of it, as they end.

    Raises:
        KerasexpError: if the cluster cannot be reached.
        Interrupted: after Ctrl-C or SIGTERM, with everything saved.
    """
    place = _everywhere(place)
    table = console_table(plan)
    waiting = []
    for number, planned in enumerate(plan):
        outcome = run_one(planned, place, seconds=0)  # without any time it only looks
        if outcome.what == "reused":
            table.ended(number, outcome)
            yield number, outcome
        else:
            waiting.append(number)
    if waiting:
        table.note("Starting Ray" if cluster.address == "local" else f"Joining the Ray cluster {cluster.address}")
        with connected(cluster), Interruption() as interruption, table:
            yield from _Spread(plan, waiting, place, limit, group, cluster, table).outcomes(interruption)


def _everywhere(place: Place) -> Place:
    """The place as every machine can name it: with absolute paths."""
    out = Path(place.out or "runs").absolute()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{out} cannot be made: {error.strerror}. Choose another folder with --out.") from None
    data_dir = place.data_dir or os.environ.get("KERASEXP_DATA_DIR")
    return Place(out, Path(data_dir).expanduser().absolute() if data_dir else None, place.offline)


def import_ray() -> Any:
    """Ray, told to be quiet; it listens only when it is imported for the first time."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray would print a dead worker's story to standard output, where the results go; we tell it ourselves
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
    import ray

    return ray


@contextlib.contextmanager
def connected(cluster: Cluster) -> Iterator[None]:
    """Ray, started or joined; left again at the end, unless the caller had it before."""
    ray = import_ray()
    if ray.is_initialized():
        yield
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if cluster.address == "local":
            # as many cores as a run in this process has threads
            sizes: dict[str, Any] = {"num_cpus": environment.threads(), "object_store_memory": OBJECT_STORE}
            ray.init("local", include_dashboard=False, **sizes, **quiet)
        else:
            if cluster.address != "auto":
                host, _, port = cluster.address.rpartition(":")
                socket.create_connection((host, int(port)), timeout=ANSWER).close()  # Ray itself tries for minutes
            ray.init(cluster.address, **quiet)
    except (OSError, OverflowError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        reason = " ".join(str(error).split())
        raise KerasexpError(
            f"The Ray cluster {cluster.address} cannot be used: {reason}. Start one with: ray start --head; add this "
            "machine to it with: ray start --address=HOST:PORT. If it wants a token, set RAY_AUTH_MODE=token. "
            "Or stay on this machine: --cluster local."
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


class _Spread:
    """The runs of a plan, handed to the cluster as it has room for them."""

    def __init__(
        self,
        plan: Sequence[PlannedRun],
        waiting: list[int],
        place: Place,
        limit: TimeLimit,
        group: str | None,
        cluster: Cluster,
        table: PlainTable,
    ):
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self.plan = plan
        self.waiting = waiting
        self.place = place
        self.limit = limit
        self.group = group
        self.table = table
        self.code = code_version()
        self.running: dict[Any, int] = {}  # Ray's reference to the task -> number of the run
        self.deaths: Counter[int] = Counter()
        self.share = Share.of(machines(), cluster.cpus_per_run)
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        self.board: Any = ray.remote(_Board).options(num_cpus=0, scheduling_strategy=here).remote()
        # a dead worker's run is begun again by us, who can say so and wait for its lock
        self.task = ray.remote(_run).options(
            num_cpus=self.share.cpus, num_gpus=self.share.gpus, max_retries=0, scheduling_strategy="SPREAD"
        )
        count, at_once = len(machines()), self.share.room()
        more = "; more at once with --cpus-per-run" if at_once == 1 and self.share.cpus > 1 else ""
        table.note(
            f"{count} machine{'s'[: count != 1]}, {at_once} run{'s'[: at_once != 1]} at a time with "
            f"{self.share.words}{' each' if at_once > 1 else ''}{more}"
        )

    def outcomes(self, interruption: Interruption) -> Iterator[tuple[int, Outcome]]:
        """Yields the number of each run and what became of it, as they end."""
        import ray

        while self.waiting or self.running:
            if interruption.requested:
                self._stop()
                raise Interrupted
            left = self.limit.seconds(1)
            if left is not None and left <= 0:
                while self.waiting:
                    number = self.waiting.pop(0)
                    yield self._ended(number, run_one(self.plan[number], self.place, seconds=0))
            self._start()
            done, _ = ray.wait(list(self.running), timeout=LOOK) if self.running else ([], [])
            self._look()
            for task in done:
                number = self.running.pop(task)
                outcome = self._outcome_of(task, number)
                if outcome is not None:
                    yield self._ended(number, outcome)

    def _start(self) -> None:
        """Hands over as many waiting runs as there is room for."""
        room = self.share.room()
        while len(self.running) < room:
            busy = {self.plan[number].identity for number in self.running.values()}
            # a run that is in the plan twice waits for itself, to be reused
            free = [number for number in self.waiting if self.plan[number].identity not in busy]
            if not free:
                return
            number, seconds = free[0], self.limit.seconds(len(self.waiting), room)
            self.waiting.remove(number)
            again = self.deaths[number] > 0
            threads = None if self.share.gpus else self.share.cpus
            task = self.task.remote(
                self.plan[number], self.place, seconds, self.group, again, threads, self.code, self.board, number
            )
            self.running[task] = number
            self.table.started(number)

    def _look(self) -> None:
        """Shows what the runs have told; that nothing can be heard of them does not stop them."""
        import ray

        reports: Any = {}
        with contextlib.suppress(ray.exceptions.RayError):
            reports = ray.get(self.board.take.remote(), timeout=ANSWER)
        self.table.reported(reports)

    def _outcome_of(self, task: Any, number: int) -> Outcome | None:
        """What became of a run, or None if its worker has gone and it waits again."""
        import ray

        planned = self.plan[number]
        try:
            outcome = ray.get(task)
            why = "its worker was told to stop"
        except ray.exceptions.RayTaskError as error:
            return _failed(planned, f"{error.cause} (the machines of a cluster need the same kerasexp)")
        except ray.exceptions.RayError as error:
            outcome = None
            why = f"its worker has died ({type(error).__name__})"
        if outcome is not None:
            if outcome.run is not None and not outcome.run.folder.is_dir():
                return _failed(planned, f"{outcome.run} is not on this machine. {_SHARED.format(out=self.place.out)}")
            return outcome
        self.deaths[number] += 1
        if self.deaths[number] >= DEATHS:
            return _failed(planned, f"{why}, for the {DEATHS}rd time. Look at the memory of its machine.")
        self.waiting.insert(0, number)
        self.table.lost(number, why)
        return None

    def _ended(self, number: int, outcome: Outcome) -> tuple[int, Outcome]:
        self.table.ended(number, outcome)
        return number, outcome

    def _stop(self) -> None:
        """Lets every running run save; its worker gets the signal that Ctrl-C is."""
        import ray

        if not self.running:
            return
        self.table.note(f"Saving {len(self.running)} run{'s'[: len(self.running) != 1]}")
        for task in self.running:
            ray.cancel(task)
        ray.wait(list(self.running), num_returns=len(self.running), timeout=SAVING)


_SHARED = "Expected {out} to be a folder that all machines of the cluster share, e.g. over NFS"


class _Board:
    """Where the runs pin their reports; an actor beside the plan."""

    def __init__(self) -> None:
        self.reports: dict[int, list[Report]] = {}

    def tell(self, number: int, report: Report) -> None:
        self.reports.setdefault(number, []).append(report)

    def take(self) -> dict[int, list[Report]]:
        reports, self.reports = self.reports, {}
        return reports


def _run(
    planned: PlannedRun,
    place: Place,
    seconds: float | None,
    group: str | None,
    again: bool,
    threads: int | None,
    code: tuple[str, str],
    board: Any,
    number: int,
) -> Outcome | None:
    """One run, in a worker on whichever machine; None if the worker was told to stop and has saved."""
    host = socket.gethostname()
    progress = ReportingProgress(lambda report: board.tell.remote(number, report))
    progress.note("Starting TensorFlow")
    try:
        check_machine(host, place, code)
        environment.start_tensorflow()
        if threads is not None:
            environment.limit_threads(threads)
        if again:
            _wait_for_lock(planned, place, progress)
        outcome = run_one(planned, place, seconds, group, progress)
    except Interrupted:
        return None
    except KerasexpError as error:
        return Outcome(planned, "failed", None, str(error), error)
    if outcome.error is None or isinstance(outcome.error, KerasexpError):
        return outcome
    return dataclasses.replace(outcome, error=KerasexpError(outcome.reason))  # others may not survive the journey


def check_machine(host: str, place: Place, code: tuple[str, str]) -> None:
    """Whether this machine is as the one that the plan comes from."""
    here = code_version()
    if here != code:
        raise KerasexpError(
            f"{host} has kerasexp {here[0]} (code {here[1]}), the plan comes from {code[0]} (code {code[1]}). Expected "
            "the same on every machine."
        )
    if not Path(place.out or "runs").is_dir():
        raise KerasexpError(f"{host} has no folder {place.out}. {_SHARED.format(out=place.out)}.")


def _wait_for_lock(planned: PlannedRun, place: Place, progress: Progress) -> None:
    """Until a worker that died has let go of the run: on a shared folder its server notices late."""
    with contextlib.suppress(KerasexpError):  # `run_one` meets the same and tells it
        found = earlier_run(planned, place)
        if found is not None and found.is_locked:
            progress.note("Waiting for the lock of the run")
            found.wait_until_free(UNLOCKING)


def code_version() -> tuple[str, str]:
    """The version of kerasexp, and the digest of its code that decides numbers."""
    return importlib.metadata.version("kerasexp"), code_digest()


def _failed(planned: PlannedRun, reason: str) -> Outcome:
    return Outcome(planned, "failed", None, reason, KerasexpError(reason))


def machines() -> list[Mapping[str, float]]:
    """The resources of each machine that is alive."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]
