from __future__ import annotations

import json

import pytest

from kerasexp.commands.list import describe_measured


def test_every_experiment_with_its_recipes(kerasexp):
    answer = kerasexp("list")
    assert answer.code == 0
    words = answer.out.split()
    for word in ("kmnist_cnn", "kmnist_cnn_nopool", "kmnist_fcnn", "published", "sound", "fast", "bench12", "lr1"):
        assert word in words
    assert max(len(line) for line in answer.out.splitlines() if "--recipe" not in line) < 160


def test_json(kerasexp):
    entries = {entry["name"]: entry for entry in json.loads(kerasexp("list", "--json").out)}
    recipes = {recipe["name"]: recipe for recipe in entries["kmnist_cnn"]["recipes"]}
    assert list(recipes) == ["published", "sound", "fast"]
    assert recipes["published"]["variants"] == ["bench12", "lr1"]
    assert recipes["fast"]["variants"] == []


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "macro F1, test: 0.953 ± 0.001 on kmnist (3 seeds, 190 s each, 2 cores)"),
        ({"seeds": 1, "spread": None}, "macro F1, test: 0.953 on kmnist (1 seed, 190 s, 2 cores)"),
    ],
)
def test_a_measured_result_names_seeds_time_hardware_and_data(changes, text):
    result = {"metric": "test.macro.f1", "mean": 0.953, "spread": 0.001, "seeds": 3, "seconds": 190.2}
    assert describe_measured({**result, "hardware": "2 cores", "data": "kmnist", **changes}) == text
