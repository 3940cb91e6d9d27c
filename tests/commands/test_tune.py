from __future__ import annotations

import json

import pytest

from kerasexp.commands.tune import _others


@pytest.fixture(scope="module")
def words(small_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tune")
    (folder / "space.yaml").write_text("batch_size: [16, 32]\nmodel.units: [[8, 8]]\n")
    found = ["tune", "kmnist_fcnn", "--space", folder / "space.yaml", "--data", small_data, "--epochs", 1]
    found += ["--set", "data.imbalance=2"]
    return [*found, "--tuner", "grid", "--out", folder / "search"]


@pytest.fixture(scope="module")
def answer(kerasexp, words):
    return kerasexp(*words)


def test_a_line_for_each_trial_then_the_table(answer, words):
    assert answer.code == 0, answer.err
    lines = answer.err.removeprefix("Starting TensorFlow\n").splitlines()  # where no test has started it before
    assert lines[0].split() == ["trial", "validation", "epochs", "time", "settings", "(*:", "the", "best", "so", "far)"]
    assert lines[1].split() == ["1", "begins"]
    assert "batch_size 16, units [8, 8]" in lines[2]
    assert answer.out.startswith("kmnist_fcnn grid: complete, 2 trials\n")
    assert "of the 1 other cannot be told from the best (95 %)" in answer.out
    assert "they leave out training images; with all of them: add --set data.imbalance=1\n" in answer.out
    assert f"kerasexp train {words[-1] / 'kmnist_fcnn_tuned.yaml'}" in answer.out
    assert answer.out.splitlines()[-1] == str(words[-1] / "tune.html")


@pytest.mark.parametrize(
    ("others", "undecided", "said"),
    [
        (1, 0, "The best is better than the other beyond chance (95 %)."),
        (4, 0, "The best is better than all others beyond chance (95 %)."),
        (4, 3, "3 of the 4 others cannot be told from the best (95 %)."),
    ],
)
def test_how_sure_the_best_is_the_best(others, undecided, said):
    assert _others(others, undecided) == said


def test_json_is_the_content_of_tune_json(kerasexp, answer, words):
    again = kerasexp(*words, "--json")
    assert again.code == 0, again.err
    assert json.loads(again.out) == json.loads((words[-1] / "tune.json").read_text())
    assert "Going on with" in again.err
    assert "2 trials ended before" in again.err


@pytest.mark.slow
def test_a_trial_can_be_tested_later(kerasexp, answer, words):
    best = json.loads((words[-1] / "tune.json").read_text())["trials"][0]["run"]
    assert kerasexp("evaluate", best).code == 0
    assert kerasexp("report", best).code == 0


def test_what_is_refused(kerasexp, small_data):
    published = kerasexp("tune", "kmnist_fcnn", "--recipe", "published", "--data", small_data)
    assert (published.code, published.out) == (2, "")
    assert "must not choose by test images" in published.err
    assert kerasexp("tune", "kmnist_fcnn", "--max-time", "soon").code == 2
    assert kerasexp("tune", "mnist_simplecnn", "--recipe", "sound").code == 2
