"""One run on several devices or machines: from the words of `--devices` and TF_CONFIG to a strategy of TensorFlow.

Every replica holds all weights and takes its part of each batch; gradients, losses and the statistics of BatchNorm are
summed over the replicas, so that a step is the step of one device with the whole batch, apart from rounding.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import re
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from kerasexp import environment, files
from kerasexp.config.schema import Experiment
from kerasexp.data.sharing import Sharing
from kerasexp.errors import KerasexpError, UsageError, WorkerLost

WAIT = 300.0  # seconds for all machines of a cluster to come
SILENCE = 20.0  # seconds after which a machine that is not heard of counts as lost
_WHAT_TO_DO = (
    "Start the same command on every machine within a few minutes; each needs an address that the others reach, and a "
    "free port."
)
EXPECTED = "auto, cpu, all, or a list such as gpu:0,gpu:1"


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The machines of one run.

    Attributes:
        workers: their addresses, `host:port`; the chief is the first.
        number: which of them this process is, from 0.
    """

    workers: tuple[str, ...]
    number: int

    def __str__(self) -> str:
        return f"worker {self.number} of {', '.join(self.workers)}"


@dataclasses.dataclass(frozen=True)
class Devices:
    """What one run is trained on.

    Attributes:
        words: as the user gave them.
        names: of the devices of this machine, e.g. `("gpu:0", "gpu:1")`; empty where TensorFlow chooses its one device.
        strategy: of TensorFlow; None for one device, where nothing has to be shared.
        cluster: the machines, None for one.
    """

    words: str = "auto"
    names: tuple[str, ...] = ()
    strategy: Any = None
    cluster: Cluster | None = None

    @property
    def replicas(self) -> int:
        """Copies of the network, over all machines."""
        return 1 if self.strategy is None else self.strategy.num_replicas_in_sync

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run; of several machines only the first does."""
        return self.cluster is None or self.cluster.number == 0

    @property
    def sharing(self) -> Sharing | None:
        """How a batch is divided; None for one replica."""
        if self.strategy is None:
            return None
        here = self.replicas // (len(self.cluster.workers) if self.cluster else 1)
        return Sharing(self.replicas, here * (self.cluster.number if self.cluster else 0), here)

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """Where the variables are made and used."""
        return contextlib.nullcontext() if self.strategy is None else self.strategy.scope()

    def describe(self) -> dict[str, Any]:
        """What the manifest of a run says of its devices."""
        return {
            "words": self.words,
            "names": list(self.names),
            "replicas": self.replicas,
            "workers": list(self.cluster.workers) if self.cluster else [],
        }

    def check(self, experiment: Experiment) -> None:
        """Refuses an experiment that cannot be divided among the replicas.

        Raises:
            UsageError: if its batches are smaller than the replicas are many, or scikit-learn solves all of it.
        """
        if self.replicas == 1:
            return
        stages = [stage for stage in experiment.training_stages if not stage.is_solved]
        if not stages:
            raise UsageError(
                f"--devices: scikit-learn solves {experiment.name} on one processor; there is nothing to divide among "
                f"{self.replicas} replicas. Leave --devices out, or use --devices cpu."
            )
        smallest = min(stage.batch_size for stage in stages)
        if smallest < self.replicas:
            raise UsageError(
                f"batch_size: {smallest} images cannot be divided among {self.replicas} replicas. Expected at least "
                f"one image each: --set batch_size={self.replicas} or more, or fewer devices."
            )

    def total(self, values: Iterable[float]) -> np.ndarray:
        """The sum of each value over all machines; the values themselves on one machine. All machines must call it.

        Raises:
            WorkerLost: if another machine no longer answers.
        """
        array = np.atleast_1d(np.asarray(values, np.float64))
        if self.cluster is None:
            return array
        import tensorflow as tf

        try:
            return self._total(array.ravel()).numpy().reshape(array.shape)
        except tf.errors.OpError as error:
            raise WorkerLost(f"{self.lost(error)}.") from None

    def any(self, wish: bool) -> bool:
        """Whether one of the machines wishes something."""
        return wish if self.cluster is None else bool(self.total([wish])[0])

    def of_chief(self, value: Any) -> Any:
        """The chief's value, a number or an array, on every machine."""
        if self.cluster is None:
            return value
        array = np.asarray(value)
        found = self.total(array.ravel() if self.is_chief else np.zeros(array.size)).reshape(array.shape)
        return found.astype(array.dtype) if array.ndim else array.dtype.type(found).item()

    def agree(self, facts: Mapping[str, Any]) -> None:
        """Makes sure that all machines are about to do the same.

        Args:
            facts: what must be equal, by its name; anything that JSON can hold.

        Raises:
            UsageError: on every machine, if something differs on one of them.
        """
        if self.cluster is None:
            return
        table = np.zeros((len(self.cluster.workers), len(facts)))
        table[self.cluster.number] = [int(files.digest(fact)[:12], 16) for fact in facts.values()]  # exact in a float64
        everywhere = self.total(table)
        for number, row in enumerate(everywhere):
            different = [name for name, one, chief in zip(facts, row, everywhere[0], strict=True) if one != chief]
            if different:
                raise UsageError(
                    f"Worker {number} ({self.cluster.workers[number]}) is not like worker 0: different "
                    f"{', '.join(different)}. All machines need the same command, data, weights and versions."
                )

    def lost(self, error: Exception) -> str:
        """What a failed operation says of the other machines, in words."""
        assert self.cluster is not None
        found = re.search(r"/replica:0/task:(\d+)", str(error)) or re.search(r"/job:worker/task:(\d+)", str(error))
        number = int(found[1]) if found else self.cluster.number
        if number == self.cluster.number or number >= len(self.cluster.workers):
            return "Another worker of this run no longer answers"
        return f"Worker {number} ({self.cluster.workers[number]}) no longer answers"

    @functools.cached_property
    def _total(self) -> Any:
        import tensorflow as tf

        strategy, sharing = self.strategy, self.sharing
        assert sharing is not None

        def of_replica(values: Any) -> Any:
            context = tf.distribute.get_replica_context()
            # each machine counts once, however many replicas it has
            counts = tf.cast(context.replica_id_in_sync_group, tf.int64) == sharing.first
            return context.all_reduce("sum", tf.where(counts, values, tf.zeros_like(values)))

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float64)])
        def total(values: Any) -> Any:
            return strategy.experimental_local_results(strategy.run(of_replica, args=(values,)))[0]

        return total


def start_devices(words: str | None = None, say: Callable[[str], None] = lambda text: None) -> Devices:
    """The devices that the words name, on the machines that TF_CONFIG names.

    To be called before any tensor is made: TensorFlow cannot hide a device or join a cluster later. `auto` without
    TF_CONFIG touches nothing.

    Args:
        words: `auto` (the default: one GPU where there is one, else the processor), `cpu`, `all` (every GPU, else the
            processor), or a list such as `gpu:0,gpu:1`.
        say: is told what may take long.

    Raises:
        UsageError: for unknown words, a device that is not there, or a TF_CONFIG that is no cluster.
        KerasexpError: if the cluster cannot be joined.
    """
    asked, cluster = parse_devices(words), read_cluster()
    if asked == ["auto"] and cluster is None:
        return Devices()
    environment.start_tensorflow()
    names = _visible(asked, cluster)
    told = ",".join(asked)
    if cluster is not None:
        say(f"Joining the cluster as {cluster}; waiting for the others")
        return Devices(told, names, _join(cluster), cluster)
    if len(names) < 2:
        return Devices(told, names)
    import tensorflow as tf

    os.environ.pop("TF_CONFIG", None)  # it names no cluster, but TensorFlow would read it again
    kind = names[0].partition(":")[0].upper()
    return Devices(told, names, tf.distribute.MirroredStrategy([f"{kind}:{number}" for number in range(len(names))]))


def parse_devices(words: str | None) -> list[str]:
    """The words of `--devices`, one by one.

    Example:

    >>> parse_devices("gpu:0,gpu:1")
    ['gpu:0', 'gpu:1']

    Raises:
        UsageError: for words that name no devices.
    """
    asked = ["auto"] if words is None else [word.strip().lower() for word in words.split(",")]
    for word in asked:
        if not re.fullmatch(r"auto|cpu|all|[cg]pu:\d+", word):
            raise UsageError(f'--devices: unknown word "{word}". Expected: {EXPECTED}.')
    if len(asked) > 1 and {"auto", "cpu", "all"} & set(asked):
        raise UsageError(f'--devices: auto, cpu and all stand alone, received: "{words}". Expected: {EXPECTED}.')
    if len(set(asked)) < len(asked) or len({word[:3] for word in asked}) > 1:
        raise UsageError(f'--devices: expected different devices of one kind, received: "{words}".')
    return asked


def read_cluster() -> Cluster | None:
    """The cluster that the environment variable TF_CONFIG describes; None without one, or for a single machine.

    Raises:
        UsageError: if it is not what TensorFlow expects of workers that train together.
    """
    text = os.environ.get("TF_CONFIG", "").strip()
    if text in ("", "{}"):
        return None
    try:
        config = json.loads(text)
        jobs, kind, index = dict(config["cluster"]), config["task"]["type"], int(config["task"]["index"])
        workers = [str(address) for address in jobs.get("worker", [])]
    except (ValueError, TypeError, KeyError) as error:
        raise _no_cluster(f"no cluster and task in JSON ({type(error).__name__}: {error})") from None
    if set(jobs) != {"worker"} or kind != "worker":
        raise _no_cluster(f"only workers train together, received: {', '.join([*jobs, str(kind)])}")
    if not all(re.fullmatch(r"[^\s:]+:\d{1,5}", address) for address in workers) or len(set(workers)) < len(workers):
        raise _no_cluster(f"expected different addresses host:port, received: {', '.join(workers)}")
    if not 0 <= index < len(workers):
        raise _no_cluster(f"there is no worker {index} among {len(workers)}")
    return Cluster(tuple(workers), index) if len(workers) > 1 else None


def _no_cluster(reason: str) -> UsageError:
    example = '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'
    return UsageError(f"TF_CONFIG: {reason}. Expected e.g. {example}, with another index on every machine.")


def _visible(asked: list[str], cluster: Cluster | None) -> tuple[str, ...]:
    """Hides the GPUs that were not asked for; the names of what is used."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    (processor,) = tf.config.list_physical_devices("CPU")
    processors = len(tf.config.get_logical_device_configuration(processor) or [None])
    there = ["cpu", *(f"gpu:{number}" for number in range(len(gpus)))]
    there += [f"cpu:{number}" for number in range(processors)] if processors > 1 else []
    if asked in (["auto"], ["all"]):
        asked = [f"gpu:{number}" for number in range(len(gpus))][: None if asked == ["all"] else 1] or ["cpu"]
    missing = [name for name in asked if name not in there]
    if missing:
        raise UsageError(
            f"--devices: there is no {missing[0]} here. TensorFlow sees: {', '.join(there)}. "
            "kerasexp doctor says what a GPU needs."
        )
    if cluster is not None and len(asked) > 1 and asked[0].startswith("cpu"):
        raise UsageError("--devices: with TF_CONFIG a machine takes part with its GPUs or with its one processor.")
    used = [gpus[int(name[4:])] for name in asked if name.startswith("gpu")]
    try:
        tf.config.set_visible_devices(used, "GPU")
    except RuntimeError:
        raise UsageError(
            "--devices: this process has already used its devices. Choose them in a new process."
        ) from None
    return tuple(asked)


def _join(cluster: Cluster) -> Any:
    """TensorFlow's strategy for several machines, once they have found each other."""
    import tensorflow as tf
    from tensorflow.compiler.xla.tsl.protobuf import coordination_config_pb2
    from tensorflow.python.eager import context  # there is no other way to these settings

    _meet(cluster)
    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader="/job:worker/replica:0/task:0",
        heartbeat_timeout_in_ms=round(1000 * SILENCE),
        coordinated_jobs=[coordination_config_pb2.CoordinatedJob(name="worker", num_tasks=len(cluster.workers))],
    )
    try:
        with environment.silent_stderr():
            return tf.distribute.MultiWorkerMirroredStrategy()
    except (RuntimeError, ValueError, tf.errors.OpError) as error:
        reason = " ".join(str(error).split())[:300]
        raise KerasexpError(
            f"The cluster of TF_CONFIG cannot be joined as {cluster}: {reason}. {_WHAT_TO_DO}"
        ) from None


def _meet(cluster: Cluster) -> None:
    """Waits at the first machine's address until all machines are there: TensorFlow would wait for an hour, in silence.

    Raises:
        KerasexpError: if not all of them come within `WAIT` seconds.
    """
    host, _, port = cluster.workers[0].rpartition(":")
    deadline = time.monotonic() + WAIT
    if cluster.number == 0:
        _receive(cluster, int(port), deadline)
        return
    while True:
        try:
            with socket.create_connection((host, int(port)), timeout=10) as connection:
                connection.sendall(cluster.number.to_bytes(2, "big"))
                connection.settimeout(max(1.0, deadline - time.monotonic()))
                if connection.recv(2) == b"go":
                    return
            problem = "it went away"
        except OSError as error:
            problem = str(error)
        if time.monotonic() > deadline:
            raise KerasexpError(f"Worker 0 ({cluster.workers[0]}) does not answer: {problem}. {_WHAT_TO_DO}")
        time.sleep(0.5)


def _receive(cluster: Cluster, port: int, deadline: float) -> None:
    """What the first machine does of `_meet`."""
    arrived: dict[int, socket.socket] = {}
    with contextlib.ExitStack() as connections:
        try:
            server = connections.enter_context(socket.create_server(("", port)))
        except OSError as error:
            raise KerasexpError(f"Port {port} of TF_CONFIG cannot be used: {error.strerror}. {_WHAT_TO_DO}") from None
        while missing := set(range(1, len(cluster.workers))) - set(arrived):
            server.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                connection = connections.enter_context(server.accept()[0])
            except TimeoutError:
                told = ", ".join(f"worker {number} ({cluster.workers[number]})" for number in sorted(missing))
                raise KerasexpError(f"Not all machines of TF_CONFIG came; missing: {told}. {_WHAT_TO_DO}") from None
            with contextlib.suppress(OSError):  # whatever else knocks at the port
                connection.settimeout(5)
                arrived[int.from_bytes(connection.recv(2), "big")] = connection
        for number in range(1, len(cluster.workers)):
            with contextlib.suppress(OSError):
                arrived[number].sendall(b"go")
