"""A run's export agrees with the run, replaces only its own kind, and is whole or not there."""

from __future__ import annotations

import json
import shutil
import subprocess

import keras
import numpy as np
import pytest
from PIL import Image

import kerasexp
from kerasexp import files
from kerasexp.errors import DataError, KerasexpError, UsageError
from kerasexp.models.exported import FORMATS, open_exported
from kerasexp.models.saved import CARD, load_model, save_model
from kerasexp.runs import Run


@pytest.fixture
def run(trained_run, tmp_path):
    """A copy of the shared run, to write to."""
    return Run(shutil.copytree(trained_run.folder, tmp_path / trained_run.folder.name))


def need(name):
    for module in (*FORMATS[name].opens, *FORMATS[name].writes):
        pytest.importorskip(module)


@pytest.fixture(scope="module")
def pictures(trained_run, tmp_path_factory):
    """Four of the run's images as PNG; one of them larger."""
    folder = tmp_path_factory.mktemp("pictures")
    images = files.read_npz(trained_run.path("images.npz"))["sample_images"][::25][:4]
    for number, image in enumerate(images):
        picture = Image.fromarray(image[..., 0])
        (picture.resize((60, 50)) if number == 1 else picture).save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize("name", FORMATS)
def test_an_export_predicts_what_the_run_predicts(name, trained_run, pictures, tmp_path):
    need(name)
    path = tmp_path / ("digits" + FORMATS[name].suffix)
    card = kerasexp.export(trained_run, name, path)
    assert card["parity"]["images"] == card["parity"]["same_class"] == 256
    assert card["parity"]["largest_difference"] <= 1e-5
    assert card["class_names"] == list("0123456789")
    assert card["input"]["shape"] == [None, 28, 28, 1]
    inside = open_exported(path).card
    assert {"path": str(path), **inside} == card
    if FORMATS[name].suffix:
        assert json.loads((tmp_path / f"{path.name}.json").read_text(encoding="utf-8")) == inside
    expected = kerasexp.predict(trained_run, [pictures])
    results = kerasexp.predict(path, [pictures])
    assert [result["class"] for result in results] == [result["class"] for result in expected]
    for result, wanted in zip(results, expected, strict=True):
        assert list(result) == list(wanted)
        assert result["image"] == wanted["image"]
        assert list(result["probabilities"]) == list(wanted["probabilities"])
        assert list(result["probabilities"].values()) == pytest.approx(list(wanted["probabilities"].values()), abs=1e-5)


@pytest.mark.parametrize("name", ["keras", "savedmodel"])
def test_only_an_export_of_the_same_run_is_replaced(name, run, tmp_path):
    first = kerasexp.export(run, name)["path"]
    assert first == str(run.path("export", "kmnist_cnn" + FORMATS[name].suffix))
    assert kerasexp.export(run, name)["path"] == first
    kept = {"kmnist_cnn.keras", "kmnist_cnn.keras.json"} if name == "keras" else {"kmnist_cnn"}
    assert {path.name for path in run.path("export").iterdir()} == kept
    other = Run(shutil.copytree(run.folder, tmp_path / "another"))
    with pytest.raises(UsageError, match="exists and is no export of this run"):
        kerasexp.export(other, name, first)
    assert open_exported(run.path("export", "kmnist_cnn" + FORMATS[name].suffix)).card["run"] == run.folder.name


def test_anything_else_is_not_replaced(run, tmp_path):
    (tmp_path / "mine.keras").write_text("notes")
    with pytest.raises(UsageError, match=r"mine\.keras exists and is no export"):
        kerasexp.export(run, "keras", tmp_path / "mine.keras")
    assert (tmp_path / "mine.keras").read_text() == "notes"


@pytest.mark.parametrize("name", ["keras", "savedmodel"])
def test_a_full_disk_leaves_nothing(name, trained_run, tmp_path):
    """The network takes 4.8 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"needs to mount a small disk: {mounted.stderr.strip()}")
    try:
        with pytest.raises(DataError, match=r"cannot be written: .*Make room"):
            kerasexp.export(trained_run, name, disk / ("model" + FORMATS[name].suffix))
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_model_that_is_not_the_one_that_predicted_is_refused(run):
    model, card = load_model(run.path("model.keras"))
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel[:, ::-1], bias])
    save_model(model, run.path("model.keras"), **card)
    with pytest.raises(KerasexpError, match=r"does not give what predictions.npz says: the largest difference on 256"):
        kerasexp.export(run, "keras")
    assert list(run.path("export").iterdir()) == []


def test_predictions_of_bfloat16_may_differ_and_the_card_says_how_much(run):
    predictions = files.read_npz(run.path("predictions.npz"))
    rounded = keras.ops.convert_to_numpy(keras.ops.cast(predictions["test_probabilities"], "bfloat16"))
    files.write_npz(run.path("predictions.npz"), **{**predictions, "test_probabilities": rounded.astype(np.float32)})
    run.update_manifest(precision="bfloat16")
    parity = kerasexp.export(run, "keras")["parity"]
    assert parity["precision_of_run"] == "bfloat16"
    assert 1e-4 < parity["largest_difference"] < 1e-2
    assert parity["largest_difference_from_model"] == 0


def test_a_run_that_cannot_be_exported_says_why(run):
    run.path("predictions.npz").unlink()
    with pytest.raises(DataError, match="has no predictions to check an export against. Make them: kerasexp evaluate"):
        kerasexp.export(run, "keras")
    run.path("model.keras").unlink()
    for changes, why in (
        ({}, "the run folder is damaged. Start the run again"),
        ({"pruned": ["model.keras"], "command": "kerasexp train x"}, "tune --keep.*again with: kerasexp train x"),
        ({"status": "stopped"}, r"the run has no finished model yet \(status stopped\). Go on with: kerasexp resume"),
    ):
        run.update_manifest(**changes)
        with pytest.raises(DataError, match=why):
            kerasexp.export(run, "keras")
    assert not run.path("export").exists()


def test_wrong_words(run, tmp_path):
    with pytest.raises(UsageError, match='unknown format "onx". Did you mean "onnx"'):
        kerasexp.export(run, "onx")
    with pytest.raises(UsageError, match=r"expected a file ending in \.tflite for LiteRT"):
        kerasexp.export(run, "litert", tmp_path / "model.lite")
    with pytest.raises(DataError, match="is no run folder"):
        kerasexp.export(tmp_path, "keras")


def test_a_runs_own_model_file_is_no_export(trained_run, pictures):
    with pytest.raises(DataError, match=f"is no export of kerasexp|{CARD}"):
        kerasexp.predict(trained_run.path("model.keras"), [pictures])
