"""Every image of a batch goes to one replica, in the order of the batch."""

from __future__ import annotations

import numpy as np
import pytest

from kerasexp.config.loading import load_experiment
from kerasexp.data.dataset import Split
from kerasexp.data.pipeline import TrainingImages
from kerasexp.data.sharing import Sharing

NONE = load_experiment("mnist_simplecnn").augmentation.model_copy(update={"copies": 0})


@pytest.mark.parametrize("replicas", [1, 2, 3, 8])
def test_the_parts_of_a_batch_are_consecutive_and_differ_by_one_image_at_most(replicas):
    sharing = Sharing(replicas, 0, replicas)
    for size in (1, 2, 7, 8, 25, 128):
        starts = [sharing.start(replica, size) for replica in range(replicas + 1)]
        assert (starts[0], starts[-1]) == (0, size)
        assert set(np.diff(starts)) <= {size // replicas, size // replicas + 1}


@pytest.mark.parametrize(("workers", "here"), [(2, 1), (3, 2)])
def test_the_parts_of_all_processes_make_up_the_epoch(workers, here):
    order = np.random.default_rng(0).permutation(52)
    parts = [Sharing(workers * here, worker * here, here).part_of(order, 10) for worker in range(workers)]
    for step, size in enumerate([10, 10, 10, 10, 10, 2]):
        batch = order[10 * step : 10 * step + size]
        found = []
        for part, counts, sizes in parts:
            assert sizes[step] == size
            begin = counts[:step].sum()
            found.append(part[begin : begin + counts[step]])
        if size >= workers * here:
            np.testing.assert_array_equal(np.concatenate(found), batch)
        assert all(len(one) > 0 for one in found), "a process without an image reads one that does not count"


def test_a_process_reads_its_part_of_the_same_epoch():
    x = np.arange(23, dtype="uint8")[:, None, None, None]
    split = Split(x, np.arange(23) % 3, np.arange(23))
    whole = [batch.numpy().ravel() for batch, _ in TrainingImages(split, 3, 8, 5, NONE).epoch(1, first_step=1)]
    parts = []
    for worker in range(2):
        images = TrainingImages(split, 3, 8, 5, NONE, Sharing(2, worker, 1))
        parts.append([(batch.numpy().ravel(), int(size)) for (batch, _), size in images.epoch(1, first_step=1)])
    assert len(whole) == len(parts[0]) == len(parts[1]) == 2
    for batch, (one, size), (other, _) in zip(whole, *parts, strict=True):
        np.testing.assert_array_equal(np.concatenate([one, other]), batch)
        assert size == len(batch)
        assert abs(len(one) - len(other)) <= 1
