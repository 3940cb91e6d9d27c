"""Evaluating from the folder alone gives the same numbers, and never on other images."""

import shutil

import numpy as np
import pytest

import kerasexp
from kerasexp import files
from kerasexp.errors import DataError
from kerasexp.runs import open_run


@pytest.fixture
def copy(trained_run, tmp_path):
    shutil.copytree(trained_run.folder, tmp_path / "copy")
    return open_run(tmp_path / "copy")


def test_the_same_numbers_again(copy, trained_run):
    before = files.read_json(trained_run.path("metrics.json"))
    assert kerasexp.evaluate(copy) == before == files.read_json(copy.path("metrics.json"))


def test_the_pictures_for_the_report_are_in_the_folder(trained_run):
    pictures = files.read_npz(trained_run.path("images.npz"))
    predictions = files.read_npz(trained_run.path("predictions.npz"))
    assert pictures["sample_labels"].tolist() == [label for label in range(10) for _ in range(10)]
    assert pictures["augmented_images"].shape == (5, 28, 28, 1)  # one copy of one image of five classes
    wrong = predictions["test_probabilities"][pictures["mistake_index"]]
    assert (wrong.argmax(axis=1) != predictions["test_labels"][pictures["mistake_index"]]).all()
    assert (np.diff(wrong.max(axis=1)) <= 0).all()


def test_other_images_than_the_runs_are_refused(copy):
    copy.update_manifest(data={**copy.manifest["data"], "digest": "0" * 16})
    with pytest.raises(DataError, match="is not what this run was trained on"):
        kerasexp.evaluate(copy)


@pytest.mark.parametrize(
    "damage", [lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:9999])]
)
def test_a_missing_or_damaged_model_is_refused_by_name(copy, damage):
    damage(copy.path("model.keras"))
    with pytest.raises(DataError, match=r"model\.keras is (missing|damaged)"):
        kerasexp.predict(copy, [copy.path("figures")])


def test_maps_are_drawn_where_the_experiment_asks_for_them(copy, capsys):
    config = copy.path("config.yaml")
    config.write_text(config.read_text().replace("embedding: null", "embedding: {intermediate: flatten, images: 60}"))
    assert copy.experiment.digest() == copy.manifest["config_digest"]  # a map changes no weight
    found = kerasexp.evaluate(copy)["embedding"]
    assert "t-SNE of 60 test images, flatten and logits: about 1.0 s" in capsys.readouterr().err
    arrays = files.read_npz(copy.path("embedding.npz"))
    predictions = files.read_npz(copy.path("predictions.npz"))
    assert found["images"] == 60
    assert {which: of["width"] for which, of in found["maps"].items()} == {"intermediate": 9216, "final": 10}
    assert np.bincount(arrays["labels"]).min() >= 5  # mnist5k is in the order of its classes
    shown = np.searchsorted(predictions["test_index"], arrays["index"])
    assert (arrays["labels"] == predictions["test_labels"][shown]).all()
    assert (arrays["predicted"] == predictions["test_probabilities"][shown].argmax(axis=1)).all()
    assert arrays["final"].shape == arrays["intermediate"].shape == (60, 2)
    assert found["maps"]["final"]["knn_purity"]["features"] > 0.15  # chance: 0.1
