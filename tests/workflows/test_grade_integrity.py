"""A run folder as kerasexp wrote it agrees with itself; each kind of edit by hand is caught."""

import shutil

import keras
import numpy as np
import pytest

from kerasexp import files
from kerasexp.models import parameter_count
from kerasexp.models.saved import load_model
from kerasexp.runs import Run
from kerasexp.workflows.grade_integrity import disagreements


@pytest.fixture
def run(trained_run, tmp_path):
    shutil.copytree(trained_run.folder, tmp_path / "run")
    return Run(tmp_path / "run")


@pytest.fixture(scope="module")
def model(trained_run):
    return load_model(trained_run.path("model.keras"))


def found(run, model, data="mnist5k") -> str:
    return " ".join(disagreements(run, *model, data, None))


def changed(run, name, change):
    content = files.read_json(run.path(name))
    change(content)
    files.write_json(run.path(name), content)


def replaced(run, name, old, new):
    text = run.path(name).read_text()
    assert old in text
    run.path(name).write_text(text.replace(old, new))


def history(run, row, column, value):
    lines = [line.split(",") for line in run.path("history.csv").read_text().splitlines()]
    lines[row][lines[0].index(column)] = value
    run.path("history.csv").write_text("".join(",".join(line) + "\n" for line in lines))


def test_a_run_as_it_was_written_agrees(run, model):
    assert found(run, model) == ""


def test_a_setting_that_has_come_into_kerasexp_since_accuses_nobody(run, model):
    """A run of an earlier state of this version lacks a key that has a default now."""
    replaced(run, "config.yaml", "  elastic: 0.0\n", "")
    assert found(run, model) == ""


def test_better_metrics_than_predictions(run, model):
    changed(run, "metrics.json", lambda metrics: metrics["weights"]["last"]["test"]["accuracy"].update(value=0.99))
    history(run, 2, "val_accuracy", "0.97")
    said = found(run, model)
    assert "history.csv says a validation accuracy of 97.00% for epoch 2, evaluated again it is" in said
    assert "metrics.json says accuracy 0.9900, predictions.npz gives" in said
    assert "metrics.json says a test accuracy of 99.00%, evaluated again it is" in said


def test_predictions_made_up_to_suit_the_metrics(run, model):
    saved = files.read_npz(run.path("predictions.npz"))
    perfect = np.eye(10, dtype="float32")[saved["test_labels"]]
    files.write_npz(run.path("predictions.npz"), **{**saved, "test_probabilities": perfect})
    assert "model.keras agrees with predictions.npz on" in found(run, model)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (
            lambda run: history(run, 2, "val_loss", "0.01"),
            "history.csv says val_loss 0.01 for epoch 2, the saved state",
        ),
        (
            lambda run: run.path("history.csv").write_text(run.path("history.csv").read_text() + "3,1,1,1,1,1,1\n"),
            "history.csv has 3 epochs, the saved state is after epoch 2",
        ),
        (lambda run: run.update_manifest(epochs_run=20), "manifest.json says epochs_run 20, the saved state 2"),
        (lambda run: run.update_manifest(seed=7), "manifest.json says seed 7, config.yaml says 42"),
        (lambda run: run.update_manifest(status="failed"), "not finished (status failed)"),
        (lambda run: run.update_manifest(parameters={"total": 5}), "manifest.json says 5 parameters"),
        (lambda run: replaced(run, "config.yaml", "validation: test", "validation: split"), "its digest is not the"),
        (lambda run: shutil.rmtree(run.path("state")), "state/ is missing, so history.csv cannot be checked"),
        (lambda run: run.path("predictions.npz").unlink(), "predictions.npz is missing"),
        (lambda run: run.path("metrics.json").write_text("[]"), "metrics.json is damaged: expected names and values"),
        (lambda run: run.path("metrics.json").write_text("{}"), "The run folder is damaged: table_weights is missing."),
        (lambda run: next(run.path("state").glob("0*/variables.npz")).write_bytes(b"x"), "its checksum does not match"),
    ],
)
def test_an_edit_that_the_folder_itself_shows(run, model, edit, said):
    edit(run)
    assert said in found(run, model, data="nowhere.npz")  # without the data, which takes long to read


def test_other_data(run, model):
    run.update_manifest(data={**run.manifest["data"], "digest": "0" * 16})
    assert "made with other data than mnist5k" in found(run, model)


def test_another_model_than_was_trained(run, model):
    other, card = load_model(run.path("model.keras"))
    other.layers[-1].set_weights([weight[..., ::-1] for weight in other.layers[-1].get_weights()])
    said = found(run, (other, card))
    assert "The weights of model.keras are not those of the saved state." in said
    assert "model.keras agrees with predictions.npz on" in said


def test_another_network_that_keeps_some_of_the_weights(run, model):
    honest, card = model
    kept = honest.layers[-1] if honest.layers[-1].weights else honest.layers[-2]
    image = keras.Input(honest.input_shape[1:])
    x = keras.layers.Dense(kept.input.shape[-1], name="own")(keras.layers.Flatten()(image))
    last = type(kept).from_config(kept.get_config())
    other = keras.Model(image, keras.layers.Softmax()(last(x)))
    last.set_weights(kept.get_weights())
    run.update_manifest(parameters={"total": parameter_count(other)})
    said = found(run, (other, card), data="nowhere.npz")
    assert "model.keras is not the network cnn.kmnist_cnn that config.yaml describes" in said


@pytest.mark.parametrize("layer", [0, 1, 2, 3])
def test_one_layer_of_another_model(run, model, layer):
    other, card = load_model(run.path("model.keras"))
    weighted = [one for one in other.layers if one.weights][layer]
    weighted.set_weights([weight + 0.01 for weight in weighted.get_weights()])
    said = found(run, (other, card), data="nowhere.npz")
    assert "The weights of model.keras are not those of the saved state." in said
    assert "The weights" not in found(run, model, data="nowhere.npz")


def test_an_epoch_that_the_training_does_not_end_with(run, model):
    honest, card = model
    for epoch in (0, 1):
        said = found(run, (honest, {**card, "epoch": epoch}), data="nowhere.npz")
        assert f"model.keras says that it is of epoch {epoch}, the saved state has epoch 2." in said


def test_the_best_epoch_s_weights(run):
    honest, card = load_model(run.path("model.keras"))
    replaced(run, "config.yaml", "\nweights: last", "\nweights: best")
    position = next(run.path("state").glob("0*")) / "state.json"
    content = files.read_json(position)
    content["position"]["best_epoch"] = 1
    files.write_json(position, content)
    best = [weight + 1 for weight in honest.get_weights()]
    files.write_npz(run.path("state/best-0-000001.npz"), **{str(i): weight for i, weight in enumerate(best)})
    assert "The weights" not in found(run, (honest, card), data="nowhere.npz")  # the last, said to be the last
    card = {**card, "epoch": 1}
    assert "The weights of model.keras are not" in found(run, (honest, card), data="nowhere.npz")
    honest.set_weights(best)
    assert "The weights" not in found(run, (honest, card), data="nowhere.npz")


@pytest.mark.slow
def test_a_clustering_as_it_was_written_agrees(clustered_run):
    data = clustered_run.experiment.data.name
    assert found(clustered_run, load_model(clustered_run.path("model.keras")), data=data) == ""


def test_another_version_may_digest_the_same_settings_otherwise(run, model):
    run.update_manifest(config_digest="0" * 16, kerasexp="0.0.9")
    assert "digest" not in found(run, model, data="nowhere.npz")


def test_a_path_in_the_submission_is_never_opened(run, model, tmp_path):
    (tmp_path / "secret.npz").write_bytes(b"no data set")
    replaced(run, "config.yaml", "name: mnist5k", f"name: {tmp_path / 'secret.npz'}")
    said = found(run, model)
    assert "secret" not in said
    assert "its digest is not the manifest's" in said
