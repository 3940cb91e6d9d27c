"""Near-duplicates: copies made on purpose are found, nothing else is, and real ones in a real set."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from kerasexp.data import duplicates
from kerasexp.data.dataset import Dataset, Split
from kerasexp.data.duplicates import duplicates_across, near_duplicates
from kerasexp.data.load import load_dataset


def pictures(count, seed, side=40):
    """Smooth random colour pictures."""
    rough = np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(x).resize((side, side), Image.Resampling.BICUBIC)) for x in rough])


def jpeg(x):
    file = io.BytesIO()
    Image.fromarray(x).save(file, "JPEG", quality=60)
    return np.asarray(Image.open(file))


def dataset(train, test, validation=None):
    def split(x):
        return Split(x, np.arange(len(x)) % 2, np.arange(len(x)) + 100)

    held_out = None if validation is None else split(validation)
    return Dataset("made", split(train), split(test), ("a", "b"), "made", validation=held_out)


def places(pairs):
    return {(pair.first.split, pair.first.row, pair.second.split, pair.second.row) for pair in pairs}


def test_copies_are_found_and_nothing_else():
    train, test, validation = pictures(300, 1), pictures(100, 2), pictures(50, 3)
    test[5] = train[270]
    test[6] = jpeg(train[12])
    test[7] = np.clip(train[40].astype(int) + 12, 0, 255)  # brighter
    test[8, :, 1:] = train[41][:, :-1]  # shifted by a pixel
    validation[3] = jpeg(test[20])
    train[99] = train[98]
    found = near_duplicates(dataset(train, test, validation))
    across = {
        ("train", 270, "test", 5),
        ("train", 12, "test", 6),
        ("train", 40, "test", 7),
        ("train", 41, "test", 8),
        ("validation", 3, "test", 20),
    }
    assert places(found) == across | {("train", 98, "train", 99)}
    assert places(duplicates_across(dataset(train, test, validation))) == across
    assert [pair.distance for pair in found] == sorted(pair.distance for pair in found)
    assert found[0].distance == 0
    assert found[0].first.index == found[0].first.row + 100
    assert {pair.first.label for pair in found} <= {0, 1}


def test_pictures_of_low_contrast():
    """Two calm seas of one colour are not the same picture; a copy of one is."""
    generator = np.random.default_rng(0)
    seas = np.clip(np.array([20, 60, 90]) + generator.normal(0, 2, (60, 64, 64, 3)), 0, 255).astype(np.uint8)
    seas[50] = seas[3]
    assert places(near_duplicates(dataset(seas[:30], seas[30:]))) == {("train", 3, "test", 20)}


def test_images_of_one_colour_are_passed_over():
    flat = np.full((5, 8, 8, 1), 9, np.uint8)
    assert near_duplicates(dataset(flat, flat)) == []


def test_the_list_ends(monkeypatch):
    monkeypatch.setattr(duplicates, "LIMIT", 100)
    same = np.repeat(pictures(1, 4, side=16), 20, axis=0)
    assert len(near_duplicates(dataset(same, same))) == 100


def test_real_pictures(data_dir):
    pairs = duplicates_across(load_dataset("alien_vs_predator", data_dir, offline=True, image_size=64))
    assert 5 <= len(pairs) <= 12  # eight at 224x224
    assert all(pair.first.label == pair.second.label for pair in pairs)


@pytest.mark.slow
def test_real_photographs(data_dir):
    pairs = duplicates_across(load_dataset("cifar10", data_dir, offline=True))
    assert 80 <= len(pairs) <= 140
    assert sum(pair.first.label != pair.second.label for pair in pairs) < 5
