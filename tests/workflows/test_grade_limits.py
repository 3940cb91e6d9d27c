"""A process under limits ends, whatever it does; what it started ends with it."""

import os
import sys
import time
from pathlib import Path

import pytest

from kerasexp.workflows.grade_limits import resident, run_limited

GB = 2**30
LIMITED = "from kerasexp.workflows.grade_limits import limit_own_process; limit_own_process(60, 2**28); "


@pytest.fixture
def run(tmp_path):
    def start(code: str, seconds: float = 30.0, most_bytes: int = GB, interrupted=lambda: False):
        environment = {**os.environ, "MARK": str(tmp_path / "mark")}
        words = [sys.executable, "-P", "-c", code]
        return run_limited(words, seconds, most_bytes, tmp_path / "errors.txt", environment, interrupted)

    return start


def gone(process: int) -> bool:
    """Whether a process has ended; one that nobody has waited for yet counts as ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_process_that_keeps_the_limits(run, tmp_path):
    ended = run("import sys; sys.stderr.write('hello'); sys.exit(5)")
    assert (ended.how, ended.code) == ("itself", 5)
    assert (tmp_path / "errors.txt").read_text() == "hello"


def test_a_slow_one_is_killed_with_all_that_it_started(run, tmp_path):
    child = "import subprocess, os, time; p = subprocess.Popen(['sleep', '60']); "
    ended = run(child + "open(os.environ['MARK'], 'w').write(str(p.pid)); time.sleep(60)", seconds=1.0)
    assert ended.how == "time"
    assert ended.code == -9
    assert 1 <= ended.seconds < 5
    started = int((tmp_path / "mark").read_text())
    time.sleep(0.1)
    assert gone(started)


def test_one_that_fills_the_memory_is_killed(run):
    ended = run("import time; x = b'x' * 300_000_000; time.sleep(60)", most_bytes=200_000_000)
    assert ended.how == "memory"
    assert ended.peak > 200_000_000
    assert ended.seconds < 20


def test_an_allocation_too_many_fails_inside_it(run, tmp_path):
    ended = run(LIMITED + "x = b'x' * 300_000_000")
    assert (ended.how, ended.code) == ("itself", 1)
    assert "MemoryError" in (tmp_path / "errors.txt").read_text()


def test_it_ends_when_the_caller_is_interrupted(run):
    began = time.monotonic()
    ended = run("import time; time.sleep(60)", interrupted=lambda: time.monotonic() - began > 0.5)
    assert ended.how == "interrupted"
    assert ended.seconds < 5


def test_resident_memory_of_a_group():
    assert resident(os.getpgrp()) > 5_000_000
    assert resident(2**22 + 1) == 0
