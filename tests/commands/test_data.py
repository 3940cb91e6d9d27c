from __future__ import annotations

import json

import numpy as np


def test_list(kerasexp, tmp_path):
    answer = kerasexp("data", "list", "--data-dir", tmp_path)
    assert answer.code == 0
    assert "kmnist" in answer.out
    assert "not here" in answer.out
    assert "CC BY-SA 4.0" in answer.out
    assert "つ" in answer.out


def test_list_tells_what_is_incomplete_and_where_the_rest_lies(kerasexp, tmp_path):
    folder = tmp_path / ("a-long-name-" * 8)
    (folder / "mnist").mkdir(parents=True)
    for name in ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz"):
        (folder / "mnist" / name).touch()
    lines = kerasexp("data", "list", "--data-dir", folder).out.splitlines()
    assert next(line for line in lines if line.startswith("mnist ")).split()[-1] == "incomplete"
    (folder / "mnist" / "t10k-labels-idx1-ubyte.gz").touch()
    lines = kerasexp("data", "list", "--data-dir", folder).out.splitlines()
    assert next(line for line in lines if line.startswith("mnist ")).split()[-1] == "yes"
    assert f"  here: {folder / 'mnist'}" in lines


def test_list_json(kerasexp, tmp_path):
    entries = {
        entry["name"]: entry for entry in json.loads(kerasexp("data", "list", "--data-dir", tmp_path, "--json").out)
    }
    assert entries["kmnist"]["images"] == {"train": 60_000, "test": 10_000}
    assert entries["kmnist"]["present"] is None
    assert entries["mnist5k"]["present"]


def test_check_of_a_file(kerasexp, small_data):
    answer = kerasexp("data", "check", small_data)
    assert answer.code == 0, answer.err
    assert "90 train, 30 test images of 12x12x1" in answer.out
    assert "not comparable" in answer.out


def test_check_shows_pixels_classes_and_duplicates(kerasexp, tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (60, 12, 12, 3), dtype=np.uint8)
    x[50:] = x[:10]
    y = np.arange(60) % 2
    np.savez(tmp_path / "pets.npz", x_train=x[:50], y_train=y[:50], x_test=x[50:], y_test=y[50:])
    answer = kerasexp("data", "check", tmp_path / "pets.npz", "--duplicates")
    assert answer.code == 0, answer.err
    assert "largest training class over smallest: 1.00" in answer.out
    assert "nearly equal images: 10 pairs, 10 of them across splits" in answer.out
    assert "blue" in answer.out
    found = json.loads(kerasexp("data", "check", tmp_path / "pets.npz", "--duplicates", "--json").out)
    assert len(found["duplicates"]) == 10
    assert "nearly equal" not in kerasexp("data", "check", tmp_path / "pets.npz").out


def test_get_bundled_data_as_json(kerasexp, tmp_path):
    answer = kerasexp("data", "get", "mnist5k", "--data-dir", tmp_path, "--offline", "--json")
    assert answer.code == 0, answer.err
    summary = json.loads(answer.out)
    assert [sum(counts) for counts in summary["counts"].values()] == [4000, 1000]


def test_unknown_names_are_exit_2(kerasexp):
    for command in ("get", "check"):
        answer = kerasexp("data", command, "kmnst")
        assert answer.code == 2
        assert 'Did you mean "kmnist"?' in answer.err


def test_missing_data_is_exit_3_and_says_what_to_put_where(kerasexp, tmp_path):
    answer = kerasexp("data", "get", "kmnist", "--data-dir", tmp_path, "--offline")
    assert (answer.code, answer.out) == (3, "")
    assert "train-images-idx3-ubyte.gz" in answer.err
    assert str(tmp_path) in answer.err
