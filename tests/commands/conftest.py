"""One small real run, trained by the command itself, for all command tests."""

from __future__ import annotations

import contextlib
import dataclasses
import io
from pathlib import Path

import pytest

from kerasexp.cli import main


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a command line came to."""

    code: int
    out: str
    err: str


def call(*words: object) -> Answer:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in words])
    return Answer(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def kerasexp():
    """Calls the command line in this process."""
    return call


@pytest.fixture(scope="session")
def trained(small_data, tmp_path_factory) -> Answer:
    """`kerasexp train` on the small data."""
    out = tmp_path_factory.mktemp("runs")
    words = ("train", "kmnist_fcnn", "--recipe", "fast", "--augment", 2, "--data", small_data, "--epochs", 2)
    answer = call(*words, "--precision", "float32", "--out", out)
    assert answer.code == 0, answer.err
    return answer


@pytest.fixture(scope="session")
def run_folder(trained) -> Path:
    return Path(trained.out.splitlines()[-1]).parent
