from __future__ import annotations

import json


def test_list(kerasexp, tmp_path):
    answer = kerasexp("data", "list", "--data-dir", tmp_path)
    assert answer.code == 0
    assert "kmnist" in answer.out
    assert "not here" in answer.out
    assert "CC BY-SA 4.0" in answer.out
    assert "つ" in answer.out


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
