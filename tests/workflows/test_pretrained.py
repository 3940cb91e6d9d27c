"""Transfer learning through the real line: stages, frozen parts computed once, exact resume, weights that misfit."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

import kerasexp
from kerasexp.errors import DataError, UsageError
from kerasexp.files import read_json, read_npz
from kerasexp.models.saved import load_model
from kerasexp.runs import open_run, read_history

STAGED = """
title: small pictures, head first and then all
study: simple_cnn
seed: 3
data: {name: beans, validation: split, validation_fraction: 0.2, image_size: 32}
network: transfer.classifier
model: {backbone: mobilenet_v2, alpha: 0.35, input_size: 32}
pretrained: {mobilenet_v2: imagenet}
loss: {name: categorical_crossentropy, label_smoothing: 0.0}
augmentation: {copies: 0, static: true, rotation: 5.0, shift: 0.0, shear: 0.0, zoom: 0.0, fill: nearest}
precision: float32
batch_size: 16
save_seconds: 0.0

recipes:
  sound:
    optimizer: {name: adam, learning_rate: 1e-2, weight_decay: 0.0, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7}
    epochs: 2
    monitor: val_loss
    weights: best
    stages:
      - {stage: head, trainable_from: logits}
      - {stage: block 16, trainable_from: block_16_expand, optimizer: {learning_rate: 1e-4}, epochs: 1}
  fast:
    optimizer: {name: linear_svm, c: 1.0, max_iterations: 5000}
    trainable_from: logits
    epochs: 1
    weights: last
  published:
    optimizer: {name: adam, learning_rate: 1e-3, weight_decay: 0.0, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7}
    trainable_from: logits
    batch_norm: adapting
    epochs: 1
    weights: last
"""


@pytest.fixture(scope="module")
def place(data_dir, tmp_path_factory):
    """A few real pictures of leaves, the real weights of the narrow MobileNetV2, a cache of its own."""
    folder = tmp_path_factory.mktemp("transfer")
    (folder / "staged.yaml").write_text(STAGED)
    for part, count in (("train", 20), ("test", 8)):
        for source in sorted((data_dir / "beans" / part).iterdir()):
            target = folder / "leaves" / part / source.name
            target.mkdir(parents=True)
            for picture in sorted(source.iterdir())[:count]:
                shutil.copy(picture, target)
    leaf = next((folder / "leaves" / "train" / "healthy").iterdir())
    shutil.copy(leaf, folder / "leaves" / "test" / "healthy" / "double.jpg")
    (folder / "data" / "weights").mkdir(parents=True)
    name = "mobilenet_v2_0.35_224_notop.weights.h5"
    shutil.copy(data_dir / "weights" / name, folder / "data" / "weights" / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        yield folder


def train(place, **arguments):
    given = {"recipe": "sound", "data": place / "leaves", "data_dir": place / "data", "offline": True, **arguments}
    return kerasexp.train(str(place / "staged.yaml"), out=place / "runs", **given)


@pytest.fixture(scope="module")
def staged_run(place):
    return train(place)


def test_stages_run_one_after_the_other(staged_run):
    rows = read_history(staged_run.path("history.csv"))
    assert [(row["epoch"], row["stage"]) for row in rows] == [(1, 1), (2, 1), (3, 2)]
    assert [row["learning_rate"] for row in rows] == pytest.approx([1e-2, 1e-2, 1e-4])
    head, block = staged_run.manifest["stages"]
    assert (head["name"], head["first_epoch"], head["trainable_parameters"]) == ("head", 1, 1280 * 3 + 3)
    assert (block["name"], block["first_epoch"]) == ("block 16", 3)
    assert block["trainable_parameters"] > 100_000
    taken = [stage["feature_cache"].pop("seconds") for stage in (head, block)]
    assert head["feature_cache"] == {"used": True, "reason": "", "cut": "features"}
    assert block["feature_cache"]["cut"] == "block_15_add"
    assert staged_run.feature_seconds == pytest.approx(sum(taken))
    assert min(taken) > 0
    assert staged_run.manifest["pretrained"]["mobilenet_v2"]["folded"] is False


def test_a_test_image_that_was_trained_on_is_told(staged_run):
    (pair,) = read_json(staged_run.path("metrics.json"))["duplicates"]
    assert pair["distance"] == 0
    first, second = read_npz(staged_run.path("images.npz"))["duplicate_images"]
    assert np.array_equal(first, second)
    assert "1 test image has a near-duplicate" in staged_run.path("report.html").read_text()


def test_frozen_layers_are_the_pretrained_ones_and_not_in_the_state(staged_run, data_dir):
    from kerasexp.config.loading import load_experiment
    from kerasexp.models import build
    from kerasexp.models.weights import load_pretrained

    experiment = load_experiment(str(staged_run.folder.parents[2] / "staged.yaml"), "sound")
    fresh = build(experiment, (32, 32, 3), 3)
    load_pretrained(fresh, "mobilenet_v2", staged_run.manifest["pretrained"]["mobilenet_v2"]["path"])
    trained, _ = load_model(staged_run.path("model.keras"))
    for name, same in (("Conv1", True), ("bn_Conv1", True), ("block_15_project", True), ("Conv_1", False)):
        pairs = zip(fresh.get_layer(name).get_weights(), trained.get_layer(name).get_weights(), strict=True)
        assert all(np.array_equal(*pair) for pair in pairs) is same, name
    (generation,) = [path for path in staged_run.path("state").iterdir() if path.is_dir()]
    kept = {path for path, _ in json.loads((generation / "state.json").read_text())["variables"]}
    assert "logits/kernel" in kept
    assert not any(path.startswith(("Conv1/", "block_15_")) for path in kept)


@pytest.mark.slow
def test_a_staged_run_that_is_stopped_and_resumed_ends_the_same(place, staged_run):
    run = train(place, max_time=0.2)
    assert run.manifest["status"] == "stopped"
    assert kerasexp.resume(run).manifest["status"] == "complete"
    weights = [load_model(each.path("model.keras"))[0].get_weights() for each in (staged_run, run)]
    assert all(np.array_equal(one, other) for one, other in zip(*weights, strict=True))
    rows = [read_history(each.path("history.csv")) for each in (staged_run, run)]
    assert [{**row, "seconds": 0} for row in rows[0]] == [{**row, "seconds": 0} for row in rows[1]]


@pytest.mark.slow
def test_the_cache_changes_no_result(place, staged_run, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("KERASEXP_CACHE_GB", "0")
    run = train(place)
    assert "KERASEXP_CACHE_GB" in run.manifest["stages"][0]["feature_cache"]["reason"]
    with_cache, without = (read_npz(r.path("predictions.npz"))["test_probabilities"] for r in (staged_run, run))
    np.testing.assert_allclose(with_cache, without, atol=2e-3)


def test_a_support_vector_machine_predicts_from_the_run_folder_alone(place, staged_run):
    run = train(place, recipe="fast")
    assert run.manifest["epochs_run"] == 1
    picture = next((place / "leaves" / "test").glob("*/*.jpg"))
    (prediction,) = kerasexp.predict(run, [picture])
    assert set(prediction["probabilities"]) == {"angular_leaf_spot", "bean_rust", "healthy"}
    assert open_run(run.folder).manifest["feature_cache"]["used"]


@pytest.mark.slow
def test_adapting_batch_norm_moves_its_statistics_and_nothing_else(place, staged_run):
    run = train(place, recipe="published")
    assert "adapt" in run.manifest["feature_cache"]["reason"]
    models = [load_model(each.path("model.keras"))[0] for each in (staged_run, run)]
    pairs = zip(*(model.get_layer("bn_Conv1").get_weights() for model in models), strict=True)
    gamma, beta, mean, variance = (np.array_equal(before, after) for before, after in pairs)
    assert (gamma, beta, mean, variance) == (True, True, False, False)


@pytest.mark.slow
def test_random_weights_are_marked(place):
    run = train(place, recipe="fast", weights="random")
    assert run.manifest["pretrained"] == {"mobilenet_v2": {"source": "random"}}
    assert "--weights random" in run.manifest["command"]


@pytest.mark.slow
def test_weights_that_changed_meanwhile_are_refused(place):
    run = train(place, recipe="sound", max_time=1e-6)
    path = place / "data" / "weights" / "mobilenet_v2_0.35_224_notop.weights.h5"
    content = path.read_bytes()
    try:
        path.write_bytes(content + b"\0")
        with pytest.raises(DataError, match="not the weights file that this run began with"):
            kerasexp.resume(run)
    finally:
        path.write_bytes(content)


def test_missing_weights_end_before_a_run_begins(place, tmp_path):
    with pytest.raises(DataError, match=r"ImageNet weights are missing.*--weights random"):
        train(place, data_dir=tmp_path)
    with pytest.raises(UsageError, match="takes none"):
        kerasexp.train("kmnist_cnn", data="mnist5k", weights="random")
