"""Workers of a search on the machines of a Ray cluster, which the chief treats as its own processes."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kerasexp.errors import KerasexpError
from kerasexp.workflows.cluster import SAVING, Cluster, Share, check_machine, code_version, connected, machines
from kerasexp.workflows.plan import Place

LOOK = 0.2  # seconds between two looks at a process


@contextlib.contextmanager
def machines_of(cluster: Cluster, folder: Path) -> Iterator[Machines]:
    """The machines of a cluster, joined for the time of a search.

    Args:
        cluster: as `--cluster` and `--cpus-per-run` name it.
        folder: of the search; all machines share it.
    """
    with connected(cluster):
        yield Machines(cluster, folder)


class Machines:
    """Where workers are started.

    Attributes:
        host: the address of this machine, at which the others reach the chief.
        share: what each worker gets of a machine.
    """

    def __init__(self, cluster: Cluster, folder: Path):
        import ray

        self.host = "127.0.0.1" if cluster.address == "local" else ray.util.get_node_ip_address()
        self.share = Share.of(machines(), cluster.cpus_per_run)
        self.folder = folder.absolute()
        self.code = code_version()
        self.task = ray.remote(_worker).options(
            num_cpus=self.share.cpus, num_gpus=self.share.gpus, max_retries=0, scheduling_strategy="SPREAD"
        )

    @property
    def threads(self) -> int | None:
        """Of TensorFlow in each worker; None for its own choice."""
        return None if self.share.gpus else self.share.cpus

    def start(self, command: list[str], variables: Mapping[str, str]) -> RemoteWorker:
        """Starts a process as soon as a machine has room for it.

        Args:
            command: its words; the first one, this machine's Python, becomes that machine's.
            variables: of its environment, beside those that it has there.
        """
        variables = dict(variables)
        if "KERASEXP_DATA_DIR" in os.environ:
            variables["KERASEXP_DATA_DIR"] = str(Path(os.environ["KERASEXP_DATA_DIR"]).absolute())
        return RemoteWorker(self.task.remote(command[1:], variables, Path.cwd(), self.folder, self.code))


class RemoteWorker:
    """A process on another machine, with what the chief uses of `subprocess.Popen`."""

    def __init__(self, task: Any):
        self.task = task

    def poll(self) -> int | None:
        """Its exit code, or None while it runs; -9 if its machine is lost.

        Raises:
            KerasexpError: if the machine cannot run it.
        """
        import ray

        done, _ = ray.wait([self.task], timeout=0)
        if not done:
            return None
        try:
            return int(ray.get(self.task))
        except ray.exceptions.TaskCancelledError:
            return -signal.SIGTERM
        except ray.exceptions.RayTaskError as error:
            raise KerasexpError(f"{error.cause} (the machines of a cluster need the same kerasexp)") from None
        except ray.exceptions.RayError:
            return -signal.SIGKILL

    def send_signal(self, number: int) -> None:
        """Asks it to save and to end, whatever the number."""
        import ray

        ray.cancel(self.task)

    def wait(self) -> None:
        """Waits for its end, but not for ever: its machine may be lost."""
        import ray

        ray.wait([self.task], timeout=SAVING)


def _worker(words: list[str], variables: dict[str, str], folder: Path, search: Path, code: tuple[str, str]) -> int:
    """Runs a process on whichever machine, and ends with it; its exit code."""
    check_machine(socket.gethostname(), Place(search), code)
    with (search / "workers.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, *words],
            env={**os.environ, **variables},
            cwd=folder if folder.is_dir() else None,
            stdin=subprocess.PIPE,  # its end tells the process that this one is gone
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    while process.poll() is None:
        try:
            time.sleep(LOOK)
        except KeyboardInterrupt:  # how Ray cancels
            process.send_signal(signal.SIGTERM)
    return int(process.returncode)
