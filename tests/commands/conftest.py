"""One small real run, trained by the command itself, for all command tests."""

from __future__ import annotations

import contextlib
import dataclasses
import io
from pathlib import Path

import numpy as np
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
def small_data(tmp_path_factory) -> Path:
    """An .npz of 12x12 images: a bright left, right or middle third tells the class."""
    generator = np.random.default_rng(0)

    def images(labels):
        x = generator.integers(0, 60, (len(labels), 12, 12), dtype=np.uint8)
        for image, label in zip(x, labels, strict=True):
            image[:, 4 * label : 4 * label + 4] += 150
        return x

    y_train, y_test = np.arange(90) % 3, np.arange(30) % 3
    path = tmp_path_factory.mktemp("data") / "thirds.npz"
    np.savez(path, x_train=images(y_train), y_train=y_train, x_test=images(y_test), y_test=y_test)
    return path


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
