from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image


def test_an_export_and_its_predictions(kerasexp, run_folder, small_data, tmp_path):
    answer = kerasexp("export", run_folder, "--format", "savedmodel", "--out", tmp_path / "thirds")
    assert answer.code == 0, answer.err
    lines = answer.out.splitlines()
    assert lines[0] == "input: float32 [n, 12, 12, 1], 0 to 255; 3 classes"
    assert lines[1].startswith("checked with TensorFlow ")
    assert lines[1].endswith(" on 30 test images, 30 with the same class")
    assert lines[2].startswith("largest difference from the run's predictions: ")
    assert lines[-1] == str(tmp_path / "thirds")
    Image.fromarray(np.load(small_data)["x_test"][1]).save(tmp_path / "1.png")
    theirs = kerasexp("predict", tmp_path / "thirds", tmp_path / "1.png")
    ours = kerasexp("predict", run_folder, tmp_path / "1.png")
    assert theirs.code == 0, theirs.err
    assert theirs.out == ours.out


def test_json_is_the_card(kerasexp, run_folder, tmp_path):
    answer = kerasexp("export", run_folder, "--format", "keras", "--out", tmp_path / "m.keras", "--json")
    assert answer.code == 0, answer.err
    card = json.loads(answer.out)
    assert card["experiment"] == "kmnist_fcnn"
    assert card["parity"]["images"] == 30


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("export", "{run}"), 2, "--format"),
        (("export", "{run}", "--format", "tflite"), 2, 'unknown format "tflite". Did you mean "litert"?'),
        (("export", "{tmp}/none", "--format", "keras"), 3, "is no run folder"),
        (("predict", "{tmp}/none.onnx", "{data}"), 3, "none.onnx is missing"),
        (("predict", "{data}", "{data}"), 3, "is no exported model"),
    ],
)
def test_wrong_words(words, code, message, kerasexp, run_folder, small_data, tmp_path):
    answer = kerasexp(*(word.format(run=run_folder, tmp=tmp_path, data=small_data) for word in words))
    assert answer.code == code
    assert message in answer.err
    assert answer.out == ""
