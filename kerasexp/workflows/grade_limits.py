"""One process with a limit on time and memory: whatever happens in it, the caller goes on.

Address space cannot be limited with TensorFlow, which reserves far more than it uses. Private data can (`RLIMIT_DATA`,
set by the process itself: an allocation too many fails at once); beside it the caller watches what is really resident.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from kerasexp.config.rubric import Limits
from kerasexp.environment import cores

LOOK_EVERY = 0.1  # seconds between two looks at the process


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        how: by itself, or killed for one of the limits or because the caller was interrupted.
        code: its exit code, below 0 the signal that ended it.
        seconds: wall time.
        peak: the most bytes seen resident.
    """

    how: Literal["itself", "time", "memory", "interrupted"]
    code: int
    seconds: float
    peak: int


def run_limited(
    words: Sequence[str],
    seconds: float,
    most_bytes: int,
    errors: Path,
    environment: Mapping[str, str],
    interrupted: Callable[[], bool] = lambda: False,
) -> Ended:
    """Runs a command in a process group of its own and kills the group when it takes too much.

    Args:
        words: the command.
        seconds: of wall time that it may take.
        most_bytes: that it may hold resident, all processes of its group together.
        errors: file for its standard error; standard output is dropped, and there is no input.
        environment: of the command.
        interrupted: asked at every look; once it answers yes, the group is killed.
    """
    began, peak = time.monotonic(), 0
    how: Literal["itself", "time", "memory", "interrupted"] = "itself"
    with open(errors, "wb") as file:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=file,
            env=dict(environment),
            start_new_session=True,
        )
        try:
            while process.poll() is None:
                peak = max(peak, resident(process.pid))
                if interrupted():
                    how = "interrupted"
                elif time.monotonic() - began > seconds:
                    how = "time"
                elif peak > most_bytes:
                    how = "memory"
                if how != "itself":
                    break
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(LOOK_EVERY)
        finally:
            with contextlib.suppress(ProcessLookupError):  # it and all that it may have started
                os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
    return Ended(how, code, time.monotonic() - began, peak)


def resident(group: int) -> int:
    """The resident memory of all processes of a group in bytes, as Linux tells it; 0 on other systems."""
    pages = 0
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended since
            # the name in brackets may hold anything; what follows is: state, parent, group, ..., resident pages (22nd)
            fields = entry.read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[2]) == group:
                pages += int(fields[21])
    return pages * resource.getpagesize()


def limit_own_process(seconds: float, most_bytes: int) -> None:
    """Limits this process for good: its data, its processor time, and no core file.

    Args:
        seconds: of wall time that the caller allows; should the caller die, the process still ends by itself.
        most_bytes: of private data.
    """
    _lower(resource.RLIMIT_DATA, most_bytes)
    _lower(resource.RLIMIT_CPU, int(seconds * cores()) + 10)
    _lower(resource.RLIMIT_CORE, 0)


def too_large(limits: Limits) -> str:
    """The reason for a submission that takes too much memory, whoever noticed it."""
    return f"Too large: its evaluation needs more than {limits.memory_gb:g} GB of memory."


def _lower(what: int, most: int) -> None:
    hard = resource.getrlimit(what)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))
