"""Folders of class folders."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from kerasexp.data.readers import folder
from kerasexp.errors import DataError


def fill(place, classes=("cat", "dog"), count=5, size=(6, 4), mode="RGB"):
    """Class folders of one-coloured pictures: the n-th picture of the c-th class has the level 20 * c + n."""
    for c, name in enumerate(classes):
        (place / name).mkdir(parents=True)
        for n in range(count):
            level = 20 * c + n
            Image.new(mode, size, level if mode == "L" else (level,) * 3).save(place / name / f"{n}.png")
    return place


def test_train_and_test(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "test", count=2)
    pictures = folder.read(tmp_path)
    x, y = pictures.arrays["train"]
    assert x.shape == (10, 4, 6, 3)
    assert y.tolist() == [0] * 5 + [1] * 5
    assert x[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 20, 21, 22, 23, 24]
    assert pictures.arrays["test"][0].shape == (4, 4, 6, 3)
    assert pictures[1:] == (pictures.positions, ("cat", "dog"), True, (4, 6), ())


def test_validation_serves_as_test(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "validation", count=1)
    pictures = folder.read(tmp_path)
    assert set(pictures.arrays) == {"train", "test"}
    assert len(pictures.arrays["test"][1]) == 2
    assert pictures.notes == ("no test folder: the validation folder serves as test set",)


def test_all_three_parts(tmp_path):
    for count, part in enumerate(("train", "validation", "test"), start=1):
        fill(tmp_path / part, count=count)
    assert {part: len(y) for part, (_, y) in folder.read(tmp_path).arrays.items()} == {
        "train": 2,
        "validation": 4,
        "test": 6,
    }


def test_without_parts_a_fifth_is_drawn(tmp_path):
    fill(tmp_path, count=10)
    pictures = folder.read(tmp_path)
    assert not pictures.published_test
    assert np.bincount(pictures.arrays["test"][1]).tolist() == [2, 2]
    assert "4 images drawn for testing" in pictures.notes[0]
    assert sorted(np.concatenate(list(pictures.positions.values()))) == list(range(20))
    for part, rows in pictures.positions.items():  # each position is the picture's place in the sorted folder
        levels = [20 * (row // 10) + row % 10 for row in rows]
        assert pictures.arrays[part][0][:, 0, 0, 0].tolist() == levels


def test_grey_stays_grey_and_mixed_becomes_colour(tmp_path):
    fill(tmp_path / "grey", mode="L")
    assert folder.read(tmp_path / "grey").arrays["train"][0].shape[-1] == 1
    fill(tmp_path / "mixed", mode="L")
    Image.new("RGB", (6, 4), "red").save(tmp_path / "mixed" / "dog" / "red.png")
    assert folder.read(tmp_path / "mixed").arrays["train"][0].shape[-1] == 3


def test_numbers_are_sorted_as_numbers(tmp_path):
    fill(tmp_path, classes=[str(number) for number in range(11)])
    assert folder.read(tmp_path).class_names[-2:] == ("9", "10")


def test_expected_classes_give_the_labels(tmp_path):
    fill(tmp_path)
    pictures = folder.read(tmp_path, class_names=("dog", "cat"))
    assert pictures.class_names == ("dog", "cat")
    assert set(pictures.arrays["train"][0][pictures.arrays["train"][1] == 0].ravel()) <= set(range(20, 25))
    with pytest.raises(DataError, match="unknown class folders cat, dog. Expected o, ki"):
        folder.read(tmp_path, class_names=("o", "ki"))


def test_mixed_sizes_need_a_size(tmp_path):
    fill(tmp_path)
    Image.new("RGB", (9, 9)).save(tmp_path / "dog" / "large.png")
    with pytest.raises(DataError, match=r"is 6x4, .*large.png is 9x9.*--set data.image_size=64"):
        folder.read(tmp_path)
    pictures = folder.read(tmp_path, image_size=8)
    assert pictures.arrays["train"][0].shape[1:] == (8, 8, 3)
    assert "images resized to 8x8" in pictures.notes


def test_hidden_files_are_passed_over(tmp_path):
    fill(tmp_path)
    (tmp_path / ".git").mkdir()
    for name in (".DS_Store", "Thumbs.db"):
        (tmp_path / "cat" / name).write_text("x")
    (tmp_path / "README.txt").write_text("beside the class folders")
    assert sum(len(y) for _, y in folder.read(tmp_path).arrays.values()) == 10


def test_stray_file_is_named(tmp_path):
    fill(tmp_path)
    (tmp_path / "cat" / "notes.txt").write_text("x")
    with pytest.raises(DataError, match=r"cat/notes.txt is no picture"):
        folder.read(tmp_path)


def test_damaged_picture_is_named(tmp_path):
    fill(tmp_path, size=(50, 50))
    path = tmp_path / "dog" / "3.png"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"dog/3.png is damaged"):
        folder.read(tmp_path)


def test_bad_folders(tmp_path):
    for name in ("nothing", "one", "empty", "nested", "differ", "alone", "mixture", "few"):
        (tmp_path / name).mkdir()
    fill(tmp_path / "one", classes=["cat"])
    fill(tmp_path / "empty")
    (tmp_path / "empty" / "bird").mkdir()
    fill(tmp_path / "nested")
    (tmp_path / "nested" / "cat" / "kittens").mkdir()
    fill(tmp_path / "differ" / "train")
    fill(tmp_path / "differ" / "test", classes=["cat", "bird"])
    fill(tmp_path / "alone" / "train")
    fill(tmp_path / "mixture" / "train")
    fill(tmp_path / "mixture" / "test")
    fill(tmp_path / "mixture", classes=["cat"])
    fill(tmp_path / "few", count=1)
    for name, message in {
        "missing": "missing is missing",
        "nothing": "holds no folders",
        "one": r"one class folder or none \(cat\)",
        "empty": "empty/bird is empty",
        "nested": "kittens is a folder inside the class folder",
        "differ": "train lacks the class folders bird",
        "alone": "holds the folders train. Expected train and test",
        "mixture": "holds the folders cat, test, train",
        "few": "too few images to draw a test set.*Add images, or make the folders train and test",
    }.items():
        with pytest.raises(DataError, match=message):
            folder.read(tmp_path / name)


def test_more_than_the_disk_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("KERASEXP_CACHE_GB", "100000")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    fill(tmp_path / "pets")
    with pytest.raises(DataError, match=r"take 30,000.0 GB and cannot be kept in .*: the disk is full.*image_size=64"):
        folder.read(tmp_path / "pets", image_size=1_000_000)


def test_real_palette_pictures_named_jpg(data_dir):
    pictures = folder.read(data_dir / "alien_vs_predator", image_size=16)
    assert {part: len(y) for part, (_, y) in pictures.arrays.items()} == {"train": 694, "test": 200}
