"""The epoch loop: what it saves, what it refuses, what its numbers mean."""

from __future__ import annotations

import dataclasses
import resource
import time

import keras
import numpy as np
import pytest

import kerasexp
from kerasexp.config.loading import load_experiment
from kerasexp.data.pipeline import TrainingImages
from kerasexp.errors import KerasexpError
from kerasexp.models.saved import load_model
from kerasexp.runs import open_run, read_history
from kerasexp.training import trainer
from kerasexp.training.cache import FeatureCache
from kerasexp.training.progress import Progress
from tests.training.examples import digits, made_run, train_run

TINY = ["model.units=[8,8]"]


def only_run(out):
    (folder,) = out.glob("*/*")
    return open_run(folder)


def test_a_run_folder_is_complete(trained_run):
    names = {path.name for path in trained_run.folder.iterdir()}
    files = {"manifest.json", "config.yaml", "history.csv", "metrics.json", "predictions.npz", "images.npz", "run.log"}
    assert files | {"model.keras", "report.html", "state", "events", "figures"} <= names
    manifest = trained_run.manifest
    assert manifest["status"] == "complete"
    assert manifest["epochs_run"] == 2
    assert manifest["images_seen"] == 8000
    assert manifest["parameters"] == {"total": 1_199_882, "trainable": 1_199_882}
    assert [row["epoch"] for row in read_history(trained_run.path("history.csv"))] == [1, 2]


def test_the_logged_validation_is_what_keras_evaluates(trained_run):
    from kerasexp.data.load import load_dataset

    model, _ = load_model(trained_run.path("model.keras"))
    model.compile(loss="categorical_crossentropy", metrics=["accuracy"])
    test = load_dataset("mnist5k").test
    loss, accuracy = model.evaluate(test.x, np.eye(10)[test.y], verbose=0)
    row = read_history(trained_run.path("history.csv"))[-1]
    assert row["val_accuracy"] == pytest.approx(accuracy, abs=1e-6)
    assert row["val_loss"] == pytest.approx(loss, rel=1e-4)


def test_images_that_a_device_keeps_train_the_same_bits(tmp_path, monkeypatch):
    """What a run does on a GPU with small images, on the only device that every machine has."""
    changes = {"augmentation": {"copies": 2}, "model": {"filters": [4, 8], "dense": 16}, "epochs": 2}
    experiment, dataset = load_experiment("kmnist_cnn", "sound", changes=changes), digits()
    dataset = dataclasses.replace(dataset, validation=dataset.test)
    weights, kept = [], []
    unpack = TrainingImages.unpack
    monkeypatch.setattr(TrainingImages, "unpack", lambda self, one: kept.append(self.device) or unpack(self, one))
    for number, device in enumerate([None, "CPU:0"]):
        monkeypatch.setattr(trainer, "resident_device", lambda split, augmentation, device=device: device)
        outcome = train_run(made_run(experiment, dataset, tmp_path / str(number)), dataset)
        assert outcome.status == "complete"
        weights.append(outcome.model.get_weights())
    assert all(np.array_equal(one, other) for one, other in zip(*weights, strict=True))
    assert set(kept) == {None, "CPU:0"}


def test_features_of_test_images_that_validate_nothing_are_left_to_the_evaluation(tmp_path, monkeypatch):
    changes = ["trainable_from=dense1", "epochs=1", "early_stopping=null", "reduce_learning_rate=null"]
    dataset = dataclasses.replace(digits(), test=digits().test.take(np.arange(20)))
    for validation, expected in (("none", {"training"}), ("test", {"training", "test"})):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / validation))
        experiment = load_experiment("kmnist_cnn", overrides=[*changes, f"data.validation={validation}"])
        train_run(made_run(experiment, dataset, tmp_path), dataset)
        assert {entry.what.split()[0] for entry in FeatureCache().entries()} == expected


def test_plain_keras_opens_the_model(trained_run):
    model = keras.models.load_model(trained_run.path("model.keras"))
    assert model.count_params() == 1_199_882
    assert not model.compiled
    assert {type(layer).__module__.split(".")[0] for layer in model.layers} == {"keras"}


def test_a_diverging_training_stops_with_its_cause(tmp_path):
    with pytest.raises(KerasexpError, match=r"The loss became (nan|inf).*epoch 1.*learning_rate="):
        kerasexp.train(
            "kmnist_fcnn",
            data="mnist5k",
            epochs=1,
            out=tmp_path,
            set=[*TINY, "optimizer.learning_rate=1.0e+30"],
        )
    manifest = only_run(tmp_path).manifest
    assert manifest["status"] == "failed"
    assert "loss became" in manifest["stop_reason"]


@pytest.mark.parametrize(
    ("overrides", "advice"),
    [
        (
            ["epochs=2", "optimizer.learning_rate=1.0e+30", "schedule={name: triangular, warmup: 0.9}"],
            "start again with a lower rate, e.g. --set optimizer.learning_rate=1e+29.",
        ),
        (
            ["stages=[{stage: head, epochs: 2, optimizer: {learning_rate: 1.0e+30}}, {stage: rest, epochs: 1}]"],
            "e.g. 1e+29, in the stage head, which has one of its own: override stages with --set, as a whole.",
        ),
    ],
)
def test_the_advice_names_a_rate_that_can_be_set(tmp_path, overrides, advice):
    """Not a tenth of what a schedule gives at the moment, and of a stage's own rate where it has one."""
    more = ["early_stopping=null", "reduce_learning_rate=null", *TINY, *overrides]
    dataset = digits()
    run = made_run(load_experiment("kmnist_fcnn", overrides=more), dataset, tmp_path)
    with pytest.raises(KerasexpError, match="The loss became") as caught:
        train_run(run, dataset)
    assert str(caught.value).endswith(advice)


def test_a_disk_that_fills_during_a_save_is_said_and_survived(tmp_path):
    """The file size limit lets the small files through and stops the state of a wide network."""
    arguments = {"data": "mnist5k", "epochs": 1, "out": tmp_path, "set": ["model.units=[512,8]"]}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(KerasexpError, match=r"disk is full .*kerasexp resume"):
            kerasexp.train("kmnist_fcnn", **arguments)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    run = only_run(tmp_path)
    assert run.manifest["status"] == "failed"
    assert not list(run.path("state").iterdir())
    assert kerasexp.resume(run).manifest["status"] == "complete"


def test_early_stopping_and_the_plateau_come_from_keras(tmp_path):
    """Nothing counts as an improvement of 10, so the rate falls after each epoch from the second and the run ends."""
    settings = ["early_stopping.min_delta=10.0", "early_stopping.patience=3"]
    settings += ["reduce_learning_rate.min_delta=10.0", "reduce_learning_rate.patience=1"]
    run = kerasexp.train("kmnist_fcnn", data="mnist5k", out=tmp_path, set=[*TINY, *settings])
    rows = read_history(run.path("history.csv"))
    assert len(rows) == 4
    assert run.manifest["stop_reason"] == "early stopping"
    assert [row["learning_rate"] for row in rows] == pytest.approx([1e-3, 1e-3, 1e-4, 1e-5])


def test_sound_tables_the_best_epoch_and_touches_the_test_set_once(tmp_path):
    run = kerasexp.train("kmnist_fcnn", recipe="sound", data="mnist5k", epochs=3, out=tmp_path, set=TINY)
    metrics = kerasexp.files.read_json(run.path("metrics.json"))
    rows = read_history(run.path("history.csv"))
    best = min(rows, key=lambda row: row["val_loss"])
    table = metrics["weights"]["best"]
    assert metrics["table_weights"] == "best"
    assert table["epoch"] == best["epoch"] == run.manifest["best_epoch"]
    assert table["validation"]["n"] == 400
    assert table["validation"]["accuracy"]["value"] == pytest.approx(best["val_accuracy"])
    assert sum(run.manifest["data"]["counts"]["train"]) == 3600


def test_time_counts_once_the_first_steps_are_done(tmp_path, monkeypatch):
    """However little there is, each call gets on: to start and to compile may take longer."""
    build, dataset = trainer.build_seeded, digits()

    def slow(*arguments):
        time.sleep(0.5)
        return build(*arguments)

    monkeypatch.setattr(trainer, "build_seeded", slow)
    changes = {"model": {"units": [8, 8]}, "epochs": 10_000, "early_stopping": None, "batch_size": 16}
    run = made_run(load_experiment("kmnist_fcnn", changes=changes), dataset, tmp_path)
    steps = []
    for seconds in (1e-6, 1e-6, 0.4):
        outcome = train_run(run, dataset, seconds)
        assert outcome.status == "stopped"
        steps.append(10 * outcome.position.epoch + outcome.position.step)
    assert steps[:2] == [1, 2]
    assert steps[2] > 10


def test_time_that_is_up_while_features_are_computed(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    config = ["trainable_from=dense1", "early_stopping=null", "reduce_learning_rate=null"]
    dataset = digits()
    run = made_run(load_experiment("kmnist_cnn", overrides=config), dataset, tmp_path)
    notes = []
    progress = Progress()
    progress.note = notes.append
    outcome = trainer.train(run, run.experiment, dataset, progress, 1e-6)
    assert outcome.status == "stopped"
    assert outcome.position.step == 0
    assert notes[-1].endswith("no step was made.")
