"""A search over several workers, here or on a cluster: KerasTuner's chief and clients, made to outlive a death.

KerasTuner's own chief waits for ever for a worker that was killed. Here the chief watches its workers: what a dead one
was training goes on in a new one, from its exact state.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import TYPE_CHECKING, Any

import grpc
from keras_tuner.src import protos
from keras_tuner.src.distribute.oracle_chief import OracleServicer
from keras_tuner.src.distribute.oracle_client import OracleClient

from kerasexp import environment
from kerasexp.errors import DataError, Interrupted, KerasexpError, UsageError
from kerasexp.training.interruption import Interruption
from kerasexp.training.progress import Progress
from kerasexp.workflows.tuning_loop import run_trials
from kerasexp.workflows.tuning_oracles import RecordedOracle
from kerasexp.workflows.tuning_record import SearchRecord
from kerasexp.workflows.tuning_search import prepare_search
from kerasexp.workflows.tuning_trials import Trials

if TYPE_CHECKING:
    from kerasexp.workflows.cluster import Cluster
    from kerasexp.workflows.tuning_cluster import Machines, RemoteWorker

HOST = "127.0.0.1"
DEATHS = 3  # of workers on one trial, after which it counts as failed
LOOK = 0.1  # seconds between two looks at the workers
NO_PROXY = ("no_grpc_proxy", "no_proxy")  # the first one that is set tells gRPC which hosts it asks no proxy for
TIME_OVER = 75  # exit code of a worker that was stopped by the time limit
GAVE_UP = 80  # and the exit code of the error: of a worker that can train no trial


def run_workers(
    oracle: RecordedOracle,
    workers: int,
    arguments: dict[str, Any],
    precision: str,
    lock: int,
    say: Callable[[str], None],
    deadline: float,
    cluster: Cluster | None = None,
) -> bool:
    """Lets workers run what the oracle proposes until it proposes no more.

    Args:
        oracle: of the search; it lives in this process alone.
        workers: how many there are at a time, at the most.
        arguments: of `prepare_search`.
        precision: resolved, of all trials, whatever `auto` would be on a worker's machine.
        lock: descriptor that keeps the search locked; a worker that outlives this process keeps it too.
        say: is told when a worker dies.
        deadline: by `time.monotonic`.
        cluster: whose machines the workers run on; this machine by default.

    Returns:
        False if the time was over before.

    Raises:
        Interrupted: after a signal, when every worker has saved its state.
        KerasexpError: if three trials fail one after the other, no trial can be trained, or the cluster cannot be
            reached.
    """
    with contextlib.ExitStack() as stack:
        machines = None
        if cluster is not None:
            from kerasexp.workflows.tuning_cluster import machines_of

            machines = stack.enter_context(machines_of(cluster, oracle.record.folder))
            say(f"Workers with {machines.share.words} each, {min(workers, machines.share.room())} at a time")
        chief = _Chief(oracle, arguments, precision, lock, say, deadline, machines)
        interruption = stack.enter_context(Interruption())
        stack.enter_context(chief.serving())
        try:
            while chief.keep_up(workers):
                if interruption.requested:
                    raise Interrupted("Interrupted")
                time.sleep(LOOK)
        finally:
            chief.end_workers()
    return not chief.time_over


class _Servicer(OracleServicer):
    """KerasTuner's servicer, and the first error in it, which the chief ends with."""

    error: Exception | None = None

    def _kept(self, answer: Callable[..., Any], request: Any, context: Any) -> Any:
        try:
            return answer(request, context)
        except Exception as error:
            self.error = self.error or error
            raise

    def CreateTrial(self, request: Any, context: Any) -> Any:
        return self._kept(super().CreateTrial, request, context)

    def UpdateTrial(self, request: Any, context: Any) -> Any:
        return self._kept(super().UpdateTrial, request, context)

    def EndTrial(self, request: Any, context: Any) -> Any:
        return self._kept(super().EndTrial, request, context)


class _Chief:
    def __init__(
        self,
        oracle: RecordedOracle,
        arguments: dict[str, Any],
        precision: str,
        lock: int,
        say: Callable[[str], None],
        deadline: float,
        machines: Machines | None,
    ):
        self.machines = machines
        self.host = machines.host if machines else HOST
        self.oracle = oracle
        self.arguments = arguments
        self.precision = precision
        self.lock = lock
        self.say = say
        self.deadline = deadline
        self.servicer = _Servicer(oracle)
        self.processes: dict[str, subprocess.Popen[bytes] | RemoteWorker] = {}
        self.started = 0
        self.deaths: Counter[int] = Counter()  # by trial
        self.early_deaths: Counter[int] = Counter()  # before a trial, by the place that the record had come to
        self.no_more = self.time_over = False

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """Answers the workers while this is open."""
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
        protos.get_service_grpc().add_OracleServicer_to_server(self.servicer, server)
        self.port = server.add_insecure_port(f"{self.host}:0")
        server.start()
        try:
            yield
        finally:
            server.stop(None)

    def keep_up(self, workers: int) -> bool:
        """Looks after the workers that have ended and starts new ones; False when there is nothing left to do."""
        if self.servicer.error:
            raise self.servicer.error
        for name, process in list(self.processes.items()):
            code = process.poll()
            if code is not None:
                del self.processes[name]
                self._ended(name, code)
        if time.monotonic() >= self.deadline:
            self.time_over = True
        wanted = min(workers, self.machines.share.room()) if self.machines else workers
        if self.no_more:
            wanted = min(wanted, len(self.oracle._retry_queue))
        while len(self.processes) < wanted and not self.time_over:
            self._start()
        return bool(self.processes)

    def end_workers(self) -> None:
        """Asks every worker to save its state, and waits for it."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for name, process in self.processes.items():
            process.wait()
            self.oracle.record.failure(name)  # the search ends with the first one

    def _start(self) -> None:
        self.started += 1
        name = f"worker{self.started}"
        variables = self._variables(name)
        left = None if self.deadline == float("inf") else self.deadline - time.monotonic()
        threads = self.machines.threads if self.machines else None
        call = {"arguments": self.arguments, "precision": self.precision, "seconds": left, "threads": threads}
        command = [sys.executable, "-m", "kerasexp.workflows.tuning_workers", json.dumps(call)]
        if self.machines:
            self.processes[name] = self.machines.start(command, variables)
            return
        with (self.oracle.record.folder / "workers.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command,
                env={**os.environ, **variables},
                stdin=subprocess.PIPE,  # its end tells a worker that the chief is gone
                stdout=log,
                stderr=log,
                pass_fds=[self.lock],
                start_new_session=True,  # Ctrl-C reaches the chief alone, which asks each worker once
            )

    def _variables(self, name: str) -> dict[str, str]:
        """Of a worker's environment: where it finds the chief."""
        known = [os.environ[variable] for variable in NO_PROXY if os.environ.get(variable)]
        return {
            "KERASTUNER_ORACLE_IP": self.host,
            "KERASTUNER_ORACLE_PORT": str(self.port),
            "KERASTUNER_TUNER_ID": name,
            NO_PROXY[0]: ",".join([*known[:1], self.host]),  # gRPC asks a proxy even for this machine
        }

    def _ended(self, name: str, code: int) -> None:
        if code == 0:
            self.no_more = True
        elif code == TIME_OVER:
            self.time_over = True
        elif code > GAVE_UP:
            kind = {2: UsageError, 3: DataError}.get(code - GAVE_UP, KerasexpError)
            raise kind(self.oracle.record.failure(name) or "A worker could train no trial, see workers.log.")
        else:
            self._died(name, code)

    def _died(self, name: str, code: int) -> None:
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}, see workers.log"
        trial = self.oracle.ongoing_trials.get(name)
        if trial is None:
            place = self.oracle.record.next_place()
            self.early_deaths[place] += 1
            if self.early_deaths[place] >= DEATHS:  # one after the other: the search does not get on
                raise KerasexpError(f"{DEATHS} workers ended {how} before they had a trial.")
            return
        number = int(trial.trial_id)
        self.deaths[number] += 1
        if self.deaths[number] < DEATHS:
            self.say(f"A worker ended {how}. Trial {number + 1} goes on in a new one from its saved state.")
            self.oracle.release(name)
            return
        self.oracle.record.note_failure(number, f"{DEATHS} workers ended on this trial, the last {how}.")
        trial.status = "FAILED"
        self.oracle.end_trial(trial)


def work(call: str) -> int:
    """The life of a worker.

    Args:
        call: JSON with the `arguments` of `prepare_search`, the `precision`, the `seconds` that are left and the number
            of `threads` (null for TensorFlow's own choice).

    Returns:
        The exit code: 0 if no trial is left, `TIME_OVER` if no time is, 130 after a signal, `GAVE_UP` and more if no
        trial can be trained.
    """
    content = json.loads(call)
    search = prepare_search(**content["arguments"])
    deadline = float("inf") if content["seconds"] is None else time.monotonic() + content["seconds"]
    if content["threads"]:
        environment.limit_threads(content["threads"])
    threading.Thread(target=_end_with_the_chief, daemon=True).start()
    record = SearchRecord.opened(search.folder, search.settings())
    where = search.data_dir, search.offline
    runner = Trials(record, search.base, search.configure, content["precision"], search.train_command, *where)
    name = os.environ["KERASTUNER_TUNER_ID"]
    try:
        environment.start_tensorflow(environment.resolve_precision(content["precision"]))
        complete = run_trials(OracleClient(None), name, record.read_again, runner, Progress(), deadline)
    except Interrupted:
        return Interrupted.exit_code
    except KerasexpError as error:
        print(error, file=sys.stderr)
        with contextlib.suppress(OSError):  # a full disk may refuse this as well
            record.note_failure(name, str(error))
        return GAVE_UP + error.exit_code
    return 0 if complete else TIME_OVER


def _end_with_the_chief() -> None:
    os.read(0, 1)  # not through sys.stdin, whose lock this thread would hold at the end of the process
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(work(sys.argv[1]))
