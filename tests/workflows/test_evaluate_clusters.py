"""The evaluation of a clustering: what stands in the run folder, with labels and without."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest

import kerasexp
from kerasexp import files
from kerasexp.cli import main
from kerasexp.models.saved import load_model
from kerasexp.runs import open_run
from kerasexp.workflows.evaluate_clusters import PIXELS, TRAINED, UMAP


def numbers(run) -> dict:
    return files.read_json(run.path("metrics.json"))


def test_what_stands_in_the_folder_agrees(clustered_run):
    metrics = numbers(clustered_run)
    test, found = metrics["weights"]["last"]["test"], metrics["clustering"]
    predictions = files.read_npz(clustered_run.path("predictions.npz"))
    clusters, labels = predictions["clusters"], predictions["test_labels"]
    assert test["n"] == len(labels) == 1000
    assert (predictions["mapped"] == labels).mean() == pytest.approx(test["accuracy"]["value"])
    assert found["sizes"] == np.bincount(clusters, minlength=10).tolist()
    assert np.array(found["counts"]).sum(axis=1).tolist() == found["sizes"]
    assert np.array(found["counts"]).sum(axis=0).tolist() == [100] * 10
    assert (predictions["test_probabilities"].argmax(axis=1) == clusters).all()  # alpha 300: as good as hard
    assert [found["mapping"][cluster] or 0 for cluster in clusters[:50]] == predictions["mapped"][:50].tolist()
    assert -1 <= test["silhouette"] <= 1
    assert test["loss"] == pytest.approx(test["reconstruction_loss"] + test["clustering_loss"])


def test_losses_are_those_that_keras_measures(clustered_run):
    """On all images with the saved weights, by the model's own test step."""
    from kerasexp.workflows.prepare import prepare_data

    model, _ = load_model(clustered_run.path("model.keras"))
    model.compile()
    measured = model.evaluate(
        prepare_data(clustered_run.experiment).test.x, batch_size=1000, return_dict=True, verbose=0
    )
    test = numbers(clustered_run)["weights"]["last"]["test"]
    for name in ("loss", "reconstruction_loss", "clustering_loss"):
        assert test[name] == pytest.approx(measured[name], rel=1e-4)


def test_before_the_joint_training_and_the_baselines(clustered_run):
    metrics = numbers(clustered_run)
    found = metrics["clustering"]
    assert [row["name"] for row in found["baselines"]] == [PIXELS, TRAINED]
    assert found["pixels"]["accuracy"] == found["baselines"][0]["accuracy"]
    assert 0.4 < found["pixels"]["accuracy"]["value"] < 0.65  # k-means on the pixels of MNIST is known: about 53 %
    assert found["before_joint"]["n"] == 1000
    assert found["before_joint"]["nmi"] != metrics["weights"]["last"]["test"]["nmi"]
    assert found["left_out"][0].startswith(UMAP)


def test_pictures_are_of_what_they_say(clustered_run):
    pictures = files.read_npz(clustered_run.path("clusters.npz"))
    predictions = files.read_npz(clustered_run.path("predictions.npz"))
    of = predictions["clusters"][pictures["member_position"]]
    assert (np.diff(of) >= 0).all()
    assert np.bincount(of).max() == 5
    assert pictures["member_images"].shape == (len(of), 28, 28, 1)
    assert pictures["representative_images"].shape == (10, 28, 28, 1)
    assert pictures["original_images"].shape == pictures["reconstructed_images"].shape == (10, 28, 28, 1)
    assert np.abs(pictures["original_images"].astype(int) - pictures["reconstructed_images"]).mean() < 60
    assert pictures["map_points"].shape == (1000, 2)
    assert pictures["map_representatives"].shape == (10, 2)
    assert pictures["sample_labels"].tolist() == [label for label in range(10) for _ in range(10)]


def test_images_without_labels_give_what_needs_none(tmp_path, capsys):
    from kerasexp.reporting.html import write_report

    generator = np.random.default_rng(0)
    images = generator.integers(40, size=(60, 9, 9, 1))
    for number, image in enumerate(images):  # three kinds of stripes
        image[number % 3 * 3 : number % 3 * 3 + 3] += 200
    np.savez(tmp_path / "plain.npz", x=images.astype(np.uint8))
    settings = ["model.hidden=[16,8,8]", "model.embedding=2", "model.clusters=3"]
    run = kerasexp.train(
        "mnist_deep_kmeans_annealing", data=tmp_path / "plain.npz", epochs=1, set=settings, out=tmp_path
    )
    metrics = numbers(run)
    test, found = metrics["weights"]["last"]["test"], metrics["clustering"]
    assert set(test) == {
        *("n", "clusters_used", "silhouette", "loss", "reconstruction_loss", "clustering_loss"),
    }
    assert not found["labelled"]
    assert found["mapping"] is None
    assert sum(found["sizes"]) == 60
    assert "before_joint" not in found
    assert "mapped" not in files.read_npz(run.path("predictions.npz"))
    words = " ".join(write_report(run).read_text(encoding="utf-8").split())
    assert "The images have no labels" in words
    assert "accuracy, one to one" not in words
    assert main(["evaluate", str(run)]) == 0
    told = r"this run: loss \S+, of the reconstruction \S+, of the clustering \S+, .*n = 60\n"
    assert re.search(told, capsys.readouterr().out)


@pytest.mark.slow
def test_evaluating_again_gives_the_same(clustered_run, tmp_path):
    shutil.copytree(clustered_run.folder, tmp_path / "copy")
    before = numbers(clustered_run)
    again = kerasexp.evaluate(open_run(tmp_path / "copy"))
    for metrics in (before, again):
        for row in metrics["clustering"]["baselines"]:
            del row["seconds"]
    assert again == before
