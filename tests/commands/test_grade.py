"""`kerasexp grade` at the command line: the table, the files, the exit codes."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

layers = keras.layers
RUBRIC = """
title: Thirds
hidden: {data: hidden.npz}
criteria:
  - {check: parameters, at_most: 100, points: 4}
  - {check: metric, metric: accuracy, target: 0.9, points: 6}
pass_mark: 5
"""


@pytest.fixture
def exercise(tmp_path):
    """Dark, grey and light images; one model that tells them apart, one that guesses, and their rubric."""
    labels = np.arange(30) % 3
    x = np.broadcast_to((20 + 100 * labels)[:, None, None], (30, 8, 8)).astype("uint8")
    np.savez(tmp_path / "hidden.npz", x=x, y=labels)
    (tmp_path / "rubric.yaml").write_text(RUBRIC)
    image = keras.Input((8, 8, 1))
    mean = layers.Rescaling(1 / 64)(layers.GlobalAveragePooling2D()(image))
    logits = layers.Dense(3)
    good = keras.Model(image, logits(mean))
    logits.set_weights([np.array([[0.0, 1.0, 2.0]]), np.array([0.0, -1.0, -3.8])])
    good.save(tmp_path / "good.keras")
    logits.set_weights([np.zeros((1, 3)), np.zeros(3)])
    good.save(tmp_path / "guess.keras")
    return tmp_path


@pytest.mark.slow
def test_a_table_the_files_and_exit_4(kerasexp, exercise):
    words = ("grade", exercise / "good.keras", exercise / "guess.keras", "--rubric", exercise / "rubric.yaml")
    answer = kerasexp(*words, "--out", exercise / "grades")
    assert answer.code == 4, answer.err
    lines = answer.out.splitlines()
    assert lines[0] == "good.keras: 10 of 10 points, passed."
    assert "guess.keras: 4 of 10 points, not passed." in lines
    assert any(line.startswith("accuracy") and "6 of 6" in line and "reaches the target" in line for line in lines)
    assert "No better than always naming the largest class" in answer.out
    assert lines[-1] == "Thirds: 1 of 2 passed, pass mark 5 of 10 points"
    assert "1/2 good.keras: 10 of 10 points, passed (" in answer.err
    assert sorted(path.name for path in (exercise / "grades").iterdir()) == ["grades.csv", "submissions"]


@pytest.mark.slow
def test_one_submission_alone_is_what_gradescope_wants(kerasexp, exercise):
    words = ("grade", exercise / "good.keras", "--rubric", exercise / "rubric.yaml", "--out", exercise / "results")
    answer = kerasexp(*words, "--json")
    assert answer.code == 0, answer.err
    content = json.loads(answer.out)
    assert content["passed"] == 1
    assert content["submissions"][0]["points"] == 10
    assert json.loads((exercise / "results/results.json").read_text())["score"] == 10
    assert json.loads((exercise / "results/grade.json").read_text()) == content["submissions"][0]


@pytest.mark.slow
def test_ctrl_c_ends_the_evaluation_too(exercise, tmp_path):
    heavy = keras.Sequential([keras.Input((8, 8, 1)), layers.UpSampling2D(60), layers.Conv2D(8, 31)])
    heavy.add(layers.Conv2D(8, 31))
    heavy.add(layers.GlobalMaxPool2D())
    heavy.add(layers.Dense(3))
    heavy.save(tmp_path / "slow.keras")
    code = "import sys; from kerasexp.cli import main; sys.exit(main())"
    words = [sys.executable, "-c", code, "grade", tmp_path / "slow.keras", "--rubric", exercise / "rubric.yaml"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert "Grading 1 submission on 30 hidden images" in process.stderr.readline()
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while not (found := children.read_text().split()):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert "Error: Interrupted after 0 of 1 submission." in process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert not Path(f"/proc/{found[0]}").exists()


def test_a_wrong_rubric_is_exit_2(kerasexp, exercise):
    (exercise / "rubric.yaml").write_text(RUBRIC.replace("pass_mark: 5", "pass_mark: 50"))
    answer = kerasexp("grade", exercise / "good.keras", "--rubric", exercise / "rubric.yaml")
    assert answer.code == 2
    assert "pass_mark 50 is above the 10 points" in answer.err
    assert kerasexp("grade", exercise / "good.keras", "--rubric", "mnist5k").code == 2
    assert kerasexp("grade", exercise / "good.keras").code == 2


def test_missing_data_or_submission_is_exit_3(kerasexp, exercise):
    (exercise / "hidden.npz").unlink()
    answer = kerasexp("grade", exercise / "good.keras", "--rubric", exercise / "rubric.yaml")
    assert (answer.code, "hidden.npz is missing" in answer.err) == (3, True)
    shutil.rmtree(exercise)
    assert kerasexp("grade", exercise / "good.keras", "--rubric", "mnist5k_cnn").code == 3
