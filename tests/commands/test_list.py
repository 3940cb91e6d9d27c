from __future__ import annotations

import json

import pytest

from kerasexp.commands.list import measured_rows


def test_every_experiment_with_its_recipes(kerasexp):
    answer = kerasexp("list")
    assert answer.code == 0
    words = answer.out.split()
    for word in ("kmnist_cnn", "kmnist_cnn_nopool", "kmnist_fcnn", "published", "sound", "fast", "bench12", "lr1"):
        assert word in words
    experiments, _, measured = answer.out.partition("measured so far")
    assert max(map(len, experiments.splitlines())) < 160
    assert "kmnist_cnn --recipe fast" in measured


def test_json(kerasexp):
    entries = {entry["name"]: entry for entry in json.loads(kerasexp("list", "--json").out)}
    recipes = {recipe["name"]: recipe for recipe in entries["kmnist_cnn"]["recipes"]}
    assert list(recipes) == ["published", "sound", "fast"]
    assert recipes["published"]["variants"] == ["bench12", "lr1"]
    assert recipes["fast"]["variants"] == []


@pytest.mark.parametrize(
    ("changes", "row"),
    [
        ({}, ["macro F1, test: 0.953 ± 0.001", "kmnist", "3", "190 s", "2 cores"]),
        ({"seeds": 1, "spread": None}, ["macro F1, test: 0.953", "kmnist", "1", "190 s", "2 cores"]),
    ],
)
def test_a_measured_result_names_seeds_time_hardware_and_data(changes, row):
    result = {"metric": "test.macro.f1", "mean": 0.953, "spread": 0.001, "seeds": 3, "seconds": 190.2}
    assert measured_rows([{**result, "hardware": "2 cores", "data": "kmnist", **changes}]) == [row]


def test_scores_of_the_same_runs_stand_in_one_row():
    told = {"spread": None, "seeds": 1, "seconds": 190.2, "hardware": "2 cores", "data": "kmnist"}
    results = [{"metric": metric, "mean": 0.9, **told} for metric in ("test.accuracy", "test.macro.f1")]
    assert [row[0] for row in measured_rows(results)] == ["accuracy, test: 0.9, macro F1, test: 0.9"]
