"""Images without labels: archives and folders of pictures."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from kerasexp.config.loading import load_experiment
from kerasexp.data.unlabelled import load_unlabelled
from kerasexp.errors import DataError, UsageError
from kerasexp.workflows.prepare import describe_data, prepare_data


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (12, 8, 8), dtype=np.uint8)


def test_an_archive_without_labels(tmp_path, images):
    np.savez(tmp_path / "some.npz", x_train=images[:8], x_test=images[8:])
    dataset = load_unlabelled(str(tmp_path / "some.npz"))
    assert np.array_equal(dataset.train.x, images[..., None])
    assert dataset.train is dataset.test
    assert dataset.class_names == ()


def test_a_folder_of_pictures(tmp_path, images):
    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{number:02}.png")
    dataset = load_unlabelled(str(tmp_path))
    assert np.array_equal(dataset.train.x, images[..., None])


def test_what_has_labels_is_left_to_its_readers(tmp_path, images):
    np.savez(tmp_path / "labelled.npz", x_train=images, y_train=np.zeros(12, int))
    (tmp_path / "folder" / "one").mkdir(parents=True)
    assert load_unlabelled(str(tmp_path / "labelled.npz")) is None
    assert load_unlabelled(str(tmp_path / "folder")) is None
    assert load_unlabelled("mnist5k") is None


def test_a_name_of_the_catalog_goes_before_a_folder_of_that_name(tmp_path, images, monkeypatch):
    (tmp_path / "mnist5k").mkdir()
    Image.fromarray(images[0]).save(tmp_path / "mnist5k" / "0.png")
    monkeypatch.chdir(tmp_path)
    assert load_unlabelled("mnist5k") is None
    assert len(load_unlabelled("./mnist5k").train) == 1


def test_what_cannot_be_read_or_is_larger_than_the_memory_is_said(tmp_path, images):
    with pytest.raises(DataError, match=r"The data set .* cannot be read: .*File name too long"):
        load_unlabelled(str(tmp_path / f"{'long' * 100}.npz"))
    np.savez(tmp_path / "some.npz", x=images)
    with pytest.raises(DataError, match=r"some resized would take 12,000.0 GB in memory.*image_size=64"):
        load_unlabelled(str(tmp_path / "some.npz"), 1_000_000)


def test_parts_of_two_shapes_are_refused(tmp_path, images):
    np.savez(tmp_path / "mixed.npz", x_train=images, x_test=images[:, :4])
    with pytest.raises(DataError, match="one shape"):
        load_unlabelled(str(tmp_path / "mixed.npz"))


def test_a_clustering_takes_them_and_a_classification_does_not(tmp_path, images):
    np.savez(tmp_path / "some.npz", x=images)
    changes = {"data": {"name": str(tmp_path / "some.npz")}}
    dataset = prepare_data(load_experiment("mnist_deep_kmeans_pretrained", "paper", changes=changes))
    assert describe_data(dataset, None)["counts"] == {"train": [12], "test": [12]}
    with pytest.raises(DataError, match="lacks x_train"):
        prepare_data(load_experiment("kmnist_cnn", changes=changes))


@pytest.mark.parametrize("setting", ["data.images_per_class=2", "data.imbalance=2"])
def test_images_of_a_class_cannot_be_left_out(tmp_path, images, setting):
    np.savez(tmp_path / "some.npz", x=images)
    changes = {"data": {"name": str(tmp_path / "some.npz"), "joined": False}}
    experiment = load_experiment("mnist_deep_kmeans_annealing", overrides=[setting], changes=changes)
    with pytest.raises(UsageError, match="needs classes, but the images of .*some.npz have no labels"):
        prepare_data(experiment)


def test_more_clusters_than_images_are_refused(tmp_path, images):
    np.savez(tmp_path / "some.npz", x=images)
    changes = {"data": {"name": str(tmp_path / "some.npz")}}
    config = load_experiment("mnist_deep_kmeans_annealing", overrides=["model.clusters=13"], changes=changes)
    with pytest.raises(UsageError, match="13 clusters of 12 images"):
        prepare_data(config)
