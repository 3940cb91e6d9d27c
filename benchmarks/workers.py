"""Contestants that live in processes of their own and take turns; used by the benchmarks beside this file."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from subprocess import DEVNULL, PIPE, Popen
from typing import Any


def work(contestants: Mapping[str, Callable[..., Callable[[], Any]]]) -> None:
    """The life of a worker: one JSON line says what to set up, every further line asks for a segment."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints is no answer
    task = json.loads(sys.stdin.readline())
    try:
        segment = contestants[task["contestant"]](**task["arguments"])
        segment()
    except Exception as error:  # the parent tells it
        print(json.dumps(f"{type(error).__name__}: {error}"), file=answers)
        return
    print(json.dumps(None), file=answers)
    for _ in sys.stdin:
        time.sleep(0.2)  # threads of the contestant before may still spin for work
        start = time.perf_counter()
        segment()
        print(json.dumps(time.perf_counter() - start), file=answers)


class Worker:
    """A contestant's process, set up and warmed up, and the seconds of its segments.

    Args:
        script: the benchmark; called with `--worker` it calls `work`.
        name: in the table; its first word is the contestant's.
        python: the interpreter.
        arguments: of the contestant.
    """

    def __init__(self, script: str, name: str, python: str, arguments: dict[str, Any]):
        self.name, self.seconds = name, list[float]()
        command, environment = [python, script, "--worker"], os.environ | {"CUDA_VISIBLE_DEVICES": "-1"}
        environment |= {"OMP_WAIT_POLICY": "PASSIVE"} if "patient" in name else {}
        self.process = Popen(command, text=True, env=environment, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
        self.error = self.ask(json.dumps({"contestant": name.split()[0], "arguments": arguments}))

    def ask(self, line: str) -> Any:
        print(line, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline() if self.process.stdout else ""
        if not answer:
            raise SystemExit(f"{self.name}: the process died with exit code {self.process.wait()}.")
        return json.loads(answer)


def take_turns(workers: list[Worker], rounds: int) -> None:
    """One segment of each in every round, each round from another one on; then all of them end."""
    for number in range(rounds):
        for worker in workers[number % len(workers) :] + workers[: number % len(workers)]:
            worker.seconds.append(worker.ask("segment"))
    for worker in workers:
        worker.process.communicate()  # the end of its input ends it


def matmul(precision: str) -> Callable[[], Any]:
    """The peak that a contestant is held against: a 4096x4096x4096 product of matrices."""
    import tensorflow as tf

    a = tf.cast(tf.random.stateless_normal([4096, 4096], [0, 0]), precision)
    return lambda: tf.matmul(a, a)


MATMUL_FLOP = 2 * 4096**3
