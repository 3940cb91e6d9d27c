"""The data of an experiment: which images are held out, and what the manifest says of them."""

from __future__ import annotations

import json

import pytest

from kerasexp.config.loading import load_experiment
from kerasexp.data.splits import shuffled
from kerasexp.errors import UsageError
from kerasexp.workflows.prepare import describe_data, prepare_data


def experiment(*settings, seed=7):
    changes = {"data": {"name": "mnist5k"}, "seed": seed}
    return load_experiment("kmnist_cnn", "sound", overrides=["data.validation=split", *settings], changes=changes)


def held_out(*settings, seed=7):
    return prepare_data(experiment(*settings, seed=seed)).validation.index.tolist()


def test_split_follows_the_seed_of_the_run_or_its_own():
    assert held_out(seed=1) != held_out(seed=2)
    assert held_out("data.split_seed=5", seed=1) == held_out("data.split_seed=5", seed=2) == held_out(seed=5)


def test_shuffled_split():
    dataset = prepare_data(experiment("data.draw=shuffled", "data.validation_fraction=0.2", "data.split_seed=42"))
    whole = prepare_data(load_experiment("kmnist_cnn", changes={"data": {"name": "mnist5k"}}))
    assert (dataset.validation.index == whole.train.index[shuffled(4000, 0.2, 42)[1]]).all()


def test_manifest_holds_the_statistics_of_what_is_trained_on():
    dataset = prepare_data(experiment())
    described = describe_data(dataset, None)
    assert described["channel_statistics"]["mean"] == pytest.approx([dataset.train.x.mean() / 255], abs=1e-5)
    assert sum(described["counts"]["validation"]) == len(dataset.validation)
    json.dumps(described)


def test_a_clustering_has_all_images_and_no_more_clusters_than_those():
    def prepared(*settings):
        changes = {"data": {"name": "mnist5k"}}
        return prepare_data(load_experiment("mnist_deep_kmeans_annealing", overrides=settings, changes=changes))

    dataset = prepared("model.clusters=5000")
    assert len(dataset.train) == len(dataset.test) == 5000
    with pytest.raises(UsageError, match=r"model\.clusters: 5,001 clusters of 5,000 images"):
        prepared("model.clusters=5001")


def test_less_and_unbalanced_data_leave_the_validation_images_alone():
    whole = prepare_data(experiment())
    thin = prepare_data(experiment("data.images_per_class=40", "data.imbalance=4"))
    assert describe_data(thin, None)["counts"]["train"][0] == 40
    assert describe_data(thin, None)["counts"]["train"][-1] == 10
    assert thin.validation.index.tolist() == whole.validation.index.tolist()
    assert thin.test.index.tolist() == whole.test.index.tolist()
