from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerasexp import predict
from kerasexp.errors import UsageError


@pytest.fixture(scope="module")
def pictures(small_data, tmp_path_factory):
    """The first test image of each class as PNG."""
    folder = tmp_path_factory.mktemp("pictures")
    images = np.load(small_data)["x_test"][:3]
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number}.png")
    return folder


def test_a_folder_of_images(kerasexp, run_folder, pictures):
    answer = kerasexp("predict", run_folder, pictures)
    assert answer.code == 0, answer.err
    lines = answer.out.splitlines()[2:]
    assert [line.split()[0].rsplit("/", 1)[1] for line in lines] == ["0.png", "1.png", "2.png"]


def test_json_has_the_probabilities_of_all_classes(kerasexp, run_folder, pictures):
    answer = kerasexp("predict", run_folder, pictures / "1.png", "--json")
    assert answer.code == 0, answer.err
    (result,) = json.loads(answer.out)
    assert set(result) == {"image", "class", "probability", "probabilities"}
    assert len(result["probabilities"]) == 3
    assert sum(result["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert result["probability"] == max(result["probabilities"].values())


def test_a_bad_image_does_not_keep_the_others_from_being_classified(kerasexp, run_folder, pictures, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"")
    answer = kerasexp("predict", run_folder, pictures / "0.png", bad, pictures / "2.png")
    assert answer.code == 3
    assert "0.png" in answer.out
    assert "2.png" in answer.out
    assert "bad.png" not in answer.out
    assert f"{bad} is empty" in answer.err
    assert "1 of 3 images could not be read" in answer.err


def test_a_folder_may_hold_other_files_too(run_folder, pictures, tmp_path):
    (tmp_path / "readme.txt").write_text("three letters")
    (tmp_path / "a.PNG").write_bytes((pictures / "0.png").read_bytes())
    assert [Path(one["image"]).name for one in predict(run_folder, str(tmp_path))] == ["a.PNG"]
    with pytest.raises(UsageError, match="No images to predict"):
        predict(run_folder, [])
    with pytest.raises(UsageError, match="received: ndarray"):
        predict(run_folder, [np.zeros((28, 28))])


def test_no_image_at_all_is_a_wrong_word(kerasexp, run_folder):
    answer = kerasexp("predict", run_folder)
    assert answer.code == 2
    assert "IMAGE" in answer.err
