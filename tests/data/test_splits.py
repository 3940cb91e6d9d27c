"""Held-out parts: seeded, stratified, nothing lost."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from kerasexp.data.dataset import Dataset, Split
from kerasexp.data.splits import hold_out, join, shuffled, stratified, thin_out
from kerasexp.errors import UsageError


def dataset(counts, seed=0):
    y = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    x = np.arange(len(y), dtype=np.uint8).reshape(-1, 1, 1, 1)
    train = Split(x, y, np.arange(len(y)) + 100)
    return Dataset("d", train, train.take(np.arange(3)), tuple(map(str, range(len(counts)))), "made")


def test_shares_are_exact_and_nothing_is_lost():
    whole = dataset([30, 50, 120])
    parts = hold_out(whole, 0.1, seed=3)
    assert np.bincount(parts.validation.y).tolist() == [3, 5, 12]
    assert np.bincount(parts.train.y).tolist() == [27, 45, 108]
    assert sorted([*parts.train.index, *parts.validation.index]) == sorted(whole.train.index)
    assert (parts.validation.x.ravel() == parts.validation.index - 100).all()
    assert parts.test is whole.test


def test_the_seed_decides():
    whole = dataset([40, 40])
    first, again, other = (hold_out(whole, 0.25, seed).validation.index.tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_the_draw_is_pinned():
    """Runs are resumed and compared years later: the same seed must always draw the same images."""
    _, drawn = stratified(np.repeat([0, 1, 2], 10), 0.2, seed=42)
    assert drawn.tolist() == [4, 8, 15, 17, 27, 28]


def test_rounding_goes_by_largest_remainder():
    _, drawn = stratified(np.repeat([0, 1, 2], [14, 13, 13]), 0.1, seed=0)
    assert np.bincount(np.repeat([0, 1, 2], [14, 13, 13])[drawn]).tolist() == [2, 1, 1]


def test_rare_classes_are_on_both_sides():
    labels = np.repeat([0, 1], [1000, 2])
    kept, drawn = stratified(labels, 0.1, seed=0)
    assert set(labels[kept]) == set(labels[drawn]) == {0, 1}


@pytest.mark.parametrize("fraction", [0.0, 0.001, 0.999, 1.0, -1.0, float("nan")])
def test_impossible_fractions(fraction):
    with pytest.raises(UsageError, match="Choose another fraction"):
        hold_out(dataset([20, 20]), fraction, seed=0)


def test_a_class_of_one_image_cannot_be_split():
    with pytest.raises(UsageError, match="smallest of 1"):
        hold_out(dataset([20, 1]), 0.5, seed=0)


@pytest.mark.parametrize(("count", "fraction", "seed"), [(50_000, 0.2, 42), (101, 0.33, 0), (7, 0.5, 3), (3, 0.01, 9)])
def test_shuffled_draws_what_scikit_learn_draws(count, fraction, seed):
    kept, drawn = train_test_split(range(count), test_size=fraction, random_state=seed)
    ours = shuffled(count, fraction, seed)
    assert (ours[0].tolist(), ours[1].tolist()) == (sorted(kept), sorted(drawn))


def test_split_of_the_cifar_study():
    kept, drawn = shuffled(50_000, 0.2, 42)
    assert (len(kept), len(drawn)) == (40_000, 10_000)
    assert drawn[:5].tolist() == [4, 6, 7, 38, 40]


def test_holding_out_shuffled():
    whole = dataset([50, 50])
    parts = hold_out(whole, 0.2, 42, "shuffled")
    assert len(parts.validation) == 20
    assert (parts.validation.index - 100).tolist() == shuffled(100, 0.2, 42)[1].tolist()


@pytest.mark.parametrize("fraction", [0.0, 0.999, 1.0, float("nan")])
def test_impossible_shuffled_fractions(fraction):
    with pytest.raises(UsageError, match="Choose another fraction"):
        hold_out(dataset([20, 20]), fraction, 0, "shuffled")


def test_own_validation_part_is_kept():
    parts = hold_out(dataset([20, 20]), 0.5, seed=0)
    assert hold_out(parts, 0.1, seed=9) is parts


def test_digest_does_not_depend_on_the_split():
    whole = dataset([20, 20])
    assert hold_out(whole, 0.5, seed=0).digest() == hold_out(whole, 0.1, seed=5).digest() == whole.digest()


def test_digest_sees_a_pixel_a_label_and_an_index():
    whole = dataset([20, 20])
    digests = {whole.digest()}
    for field in ("x", "y", "index"):
        changed = dataset([20, 20])
        getattr(changed.train, field)[7] += 1
        digests.add(changed.digest())
    assert len(digests) == 4


def labelled(first, count):
    """Images that show their own number, and one of three labels."""
    numbers = np.arange(first, first + count)
    return Split(numbers.astype(np.uint8).reshape(-1, 1, 1, 1), numbers % 3, np.arange(count))


def test_joined_images_are_all_trained_on_and_all_tested():
    whole = Dataset("d", labelled(0, 30), labelled(40, 12), ("a", "b", "c"), "made", validation=labelled(30, 10))
    joined = join(whole)
    assert joined.test is joined.train
    assert joined.validation is None
    assert joined.train.x.ravel().tolist() == list(range(52))  # training, validation, test
    assert joined.train.y.tolist() == [number % 3 for number in range(52)]
    assert joined.train.index.tolist() == list(range(52))
    assert (joined.class_names, joined.name) == (whole.class_names, whole.name)


def test_of_joined_images_a_share_validates_instead_of_being_tested():
    whole = Dataset("d", labelled(0, 30), labelled(30, 30), ("a", "b", "c"), "made")
    parts = join(whole, 0.1, seed=4)
    assert parts.train.x.ravel().tolist() == list(range(60))
    assert np.bincount(parts.validation.y).tolist() == [2, 2, 2]
    assert sorted([*parts.test.index, *parts.validation.index]) == list(range(60))
    assert (parts.test.x.ravel() == parts.test.index).all()
    again, other = join(whole, 0.1, seed=4), join(whole, 0.1, seed=5)
    assert parts.validation.index.tolist() == again.validation.index.tolist() != other.validation.index.tolist()
    with pytest.raises(UsageError, match="cannot be held out"):
        join(whole, 0.01)


def test_images_on_disk_are_joined_too(tmp_path):
    np.save(tmp_path / "x.npy", labelled(0, 9).x)
    train = labelled(0, 9)
    on_disk = Split(np.load(tmp_path / "x.npy", mmap_mode="r"), train.y, train.index)
    parts = join(Dataset("d", on_disk, on_disk.take(np.array([8, 2])), ("a", "b", "c"), "made"))
    assert parts.train.x.ravel().tolist() == [*range(9), 8, 2]


def test_thin_out_leaves_so_many_of_each_class():
    split = Split(np.zeros((300, 2, 2, 1), np.uint8), np.repeat([0, 1, 2], 100), np.arange(300))
    assert np.bincount(thin_out(split, 7, 1, seed=0).y).tolist() == [7, 7, 7]
    assert np.bincount(thin_out(split, None, 100, seed=0).y).tolist() == [100, 10, 1]
    assert np.bincount(thin_out(split, 50, 25, seed=0).y).tolist() == [50, 10, 2]
    assert np.bincount(thin_out(split, 1, 1000, seed=0).y).tolist() == [1, 1, 1]
    assert thin_out(split, None, 1, seed=0) is split


def test_thin_out_draws_from_the_seed():
    split = Split(np.zeros((300, 2, 2, 1), np.uint8), np.repeat([0, 1, 2], 100), np.arange(300))
    drawn = [thin_out(split, 20, 1, seed=seed).index.tolist() for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
