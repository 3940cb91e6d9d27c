"""What `kerasexp data list|get|check` answer."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from kerasexp.errors import DataError, UsageError
from kerasexp.workflows.data import check_data, get_data, list_data


@pytest.fixture(autouse=True)
def empty_home(monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "no_tfds"))


def test_list_shows_what_is_there(tmp_path):
    rows = {row["name"]: row for row in list_data(tmp_path)}
    assert rows["mnist5k"]["present"] == "bundled"
    assert rows["kmnist"]["present"] is None
    assert rows["kmnist"]["images"] == {"train": 60_000, "test": 10_000}
    assert rows["kmnist"]["glyphs"][0] == "お"
    json.dumps(list(rows.values()))


def test_list_of_real_data(data_dir):
    rows = {row["name"]: row for row in list_data(data_dir)}
    assert rows["mnist"]["present"] == str(data_dir / "mnist")
    assert rows["kmnist"]["present"] is None  # its training images are missing


def test_check_counts_and_remarks():
    summary = check_data("mnist5k")
    assert summary["counts"] == {"train": [400] * 10, "test": [100] * 10}
    assert summary["remarks"]
    json.dumps(summary)


def test_check_measures_pixels_and_classes():
    summary = check_data("mnist5k")
    assert summary["imbalance"] == 1
    assert set(summary["channel_statistics"]) == {"mean", "std", "image_std"}
    assert summary["channel_statistics"]["mean"] == pytest.approx([0.131], abs=0.01)
    assert "duplicates" not in summary


def test_check_finds_duplicates_across_splits_first(tmp_path):
    generator = np.random.default_rng(0)
    x = generator.integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    x_test = generator.integers(0, 256, (10, 16, 16, 3), dtype=np.uint8)
    x[7] = x[3]
    x_test[4] = np.clip(x[20].astype(int) + 5, 0, 255)
    labels = np.arange(40) % 2
    np.savez(tmp_path / "pets.npz", x_train=x, y_train=labels, x_test=x_test, y_test=labels[:10])
    [across, within] = check_data(tmp_path / "pets.npz", duplicates=True)["duplicates"]
    assert across["first"] == {"split": "train", "row": 20, "index": 20, "label": 0}
    assert (across["second"]["split"], across["second"]["row"]) == ("test", 4)
    assert within["distance"] == 0 < across["distance"]
    json.dumps(across)


def test_check_of_images_of_different_sizes(data_dir):
    summary = check_data("alien_vs_predator", data_dir)
    assert summary["image_shape"] == [224, 224, 3]
    assert "images resized to 224x224" in summary["notes"]


def test_list_of_images_of_different_sizes(tmp_path):
    rows = {row["name"]: row for row in list_data(tmp_path)}
    assert rows["alien_vs_predator"]["image_shape"] is None
    assert rows["beans"]["images"] == {"train": 1034, "validation": 133, "test": 128}


def test_check_of_real_originals(data_dir):
    summary = check_data("mnist", data_dir)
    assert "SHA-256 verified" in summary["source"]
    assert summary["digest"] == "48c7227b7f611578"


def test_check_never_fetches(tmp_path):
    words = r"the network was not used; without --offline, kerasexp data get kmnist fetches it\."
    with pytest.raises(DataError, match=words):
        check_data("kmnist", tmp_path)


def test_get_says_where(data_dir):
    assert get_data("mnist", data_dir, offline=True)["folder"] == str(data_dir / "mnist")
    assert get_data("mnist5k", data_dir, offline=True)["folder"] is None


def test_get_takes_catalog_names_only(tmp_path):
    with pytest.raises(UsageError, match="Unknown data set"):
        get_data(str(tmp_path))


def test_pictures_of_different_sizes_are_checked_at_one(tmp_path):
    generator = np.random.default_rng(0)
    for number in range(12):
        place = tmp_path / "pets" / ("cat" if number % 2 else "dog") / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (20 + number, 30), np.uint8)).save(place)
    summary = check_data(tmp_path / "pets")
    assert summary["image_shape"] == [224, 224, 1]
    assert "the images have different sizes" in summary["notes"][-1]
