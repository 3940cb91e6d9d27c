"""`kerasexp show` for data sets whose images have no common size."""

from __future__ import annotations

import pytest

from kerasexp.errors import UsageError
from kerasexp.workflows.describe import show


def test_images_of_different_sizes_need_one():
    data = "data.name=alien_vs_predator"
    with pytest.raises(UsageError, match="alien_vs_predator have different sizes.*data.image_size=224"):
        show("kmnist_cnn", set=[data])
    shown = show("kmnist_cnn", set=[data, "data.image_size=32"])
    assert (shown["image_shape"], shown["classes"]) == ([32, 32, 3], 2)
