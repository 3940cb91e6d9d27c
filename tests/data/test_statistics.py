"""Numbers about pixels and classes, beside NumPy's and those that a study printed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kerasexp.data.dataset import ImagesOnDisk, Split
from kerasexp.data.load import load_dataset
from kerasexp.data.splits import hold_out
from kerasexp.data.statistics import channel_statistics, class_counts, imbalance


def split(x):
    return Split(x, np.zeros(len(x), np.int64), np.arange(len(x)))


@pytest.mark.parametrize("shape", [(7, 5, 4, 1), (3000, 32, 32, 3), (3, 1000, 1200, 3)])
def test_against_numpy(shape):
    x = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8) // np.arange(1, shape[3] + 1, dtype=np.uint8)
    found = channel_statistics(split(x))
    levels = x / 255
    assert found.mean == pytest.approx(levels.mean(axis=(0, 1, 2)), abs=1e-6)
    assert found.std == pytest.approx(levels.std(axis=(0, 1, 2)), abs=1e-5)
    assert found.image_std == pytest.approx(levels.std(axis=(1, 2), ddof=1).mean(axis=0), abs=1e-5)


def test_images_of_one_colour_each():
    x = np.repeat(np.array([0, 255], np.uint8), 12).reshape(2, 2, 2, 3)
    found = channel_statistics(split(x))
    assert found.mean == found.std == (0.5,) * 3
    assert found.image_std == (0,) * 3
    assert json.loads(json.dumps(found.as_lists())) == {"mean": [0.5] * 3, "std": [0.5] * 3, "image_std": [0.0] * 3}


def test_images_on_disk(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 3), dtype=np.uint8)
    np.save(tmp_path / "x.npy", x)
    images = np.load(tmp_path / "x.npy", mmap_mode="r")
    rows = np.arange(0, 50, 2)
    on_disk = Split(ImagesOnDisk(images, rows), np.zeros(25, np.int64), rows)
    assert channel_statistics(on_disk) == channel_statistics(split(x[rows]))


def test_numbers_that_the_cifar_study_printed(data_dir):
    dataset = hold_out(load_dataset("cifar10", data_dir, offline=True), 0.2, seed=42, draw="shuffled")
    found = channel_statistics(dataset.train)
    assert found.mean == pytest.approx([0.4914, 0.4823, 0.4466], abs=5e-5)
    assert found.image_std == pytest.approx([0.2022, 0.1991, 0.2006], abs=5e-5)
    assert found.std == pytest.approx([0.247, 0.243, 0.262], abs=1e-3)


def test_class_counts_and_imbalance():
    labels = np.array([0, 2, 2, 2, 1, 1])
    assert class_counts(Split(labels.reshape(-1, 1, 1, 1), labels, labels), 4) == [1, 2, 3, 0]
    assert imbalance([1, 2, 3]) == 3
    assert imbalance([1, 0]) is None
