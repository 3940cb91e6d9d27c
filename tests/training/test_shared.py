"""An autoencoder that several runs begin with is trained once, and no run can tell."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kerasexp.runs import read_history
from kerasexp.training.alpha import alphas
from kerasexp.training.shared import SharedAutoencoder
from tests.training.examples import SMALL_NETWORK, clustering, digits, made_run, train_run

DATA = digits()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/kerasexp/autoencoders"


def trained(out, **changes):
    """A finished run: its weights, its history, how it ended."""
    run = made_run(clustering(**changes), DATA, out)
    outcome = train_run(run, DATA)
    return outcome.model.get_weights(), read_history(run.path("history.csv")), outcome


def assert_equal(one, other):
    """But for times, and the clustering losses of an autoencoder that was taken over."""
    assert all(np.array_equal(a, b) for a, b in zip(one[0], other[0], strict=True))
    assert one[2].position.images_seen == other[2].position.images_seen
    for ours, theirs in zip(one[1], other[1], strict=True):
        unknown = {name for name, value in ours.items() if math.isnan(value)}
        assert unknown <= ({"clustering_loss", "val_clustering_loss"} if ours["stage"] == 1 else set())
        for name in ours.keys() - unknown - {"seconds"}:
            assert ours[name] == theirs[name], name


def test_who_takes_it_ends_with_the_weights_of_who_trained_it(cache, tmp_path):
    own = trained(tmp_path)
    assert not cache.exists()
    first = trained(tmp_path, shared=True)
    (kept,) = cache.iterdir()
    written = kept.read_bytes()
    second = trained(tmp_path, shared=True)
    assert_equal(first, own)
    assert_equal(second, own)
    assert [stage.get("taken", False) for stage in first[2].stages] == [False, False, False]
    assert [stage.get("taken", False) for stage in second[2].stages] == [True, False, False]
    assert math.isnan(second[1][0]["clustering_loss"])

    kept.write_bytes(written[: len(written) // 2])  # damaged: trained again, and whole again
    third = trained(tmp_path, shared=True)
    assert_equal(third, own)
    assert "taken" not in third[2].stages[0]
    assert len(kept.read_bytes()) == len(written)

    model = {**SMALL_NETWORK["model"], "clusters": 5}
    other = trained(tmp_path, shared=True, model=model, alpha={"first": 2.0, "growth": "annealing", "epochs_each": 1})
    taken, epochs = other[2].stages[0], [row for row in other[1] if row["stage"] == 1]
    assert [row["alpha"] for row in epochs] == alphas(2.0, "annealing", 3)  # its own
    assert [row["seconds"] for row in epochs] == [row["seconds"] for row in third[1][:3]]  # what they took
    assert taken["seconds"] == pytest.approx(sum(row["seconds"] for row in epochs))
    assert other[2].position.seconds == pytest.approx(sum(row["seconds"] for row in other[1]), abs=0.01)


def place_of(out, dataset=DATA, changes=None, manifest=None):
    run = made_run(clustering(shared=True, **(changes or {})), dataset, out)
    run.update_manifest(**(manifest or {}))
    return SharedAutoencoder.of(run, 0).path


@pytest.mark.parametrize(
    "differs",
    [
        {"changes": {"seed": 1}},
        {"changes": {"epochs": (4, 2)}},
        {"changes": {"batch_size": 33}},
        {"changes": {"model": {**SMALL_NETWORK["model"], "hidden": [17]}}},
        {"changes": {"model": {**SMALL_NETWORK["model"], "embedding": 2}}},
        {"manifest": {"precision": "bfloat16"}},
        {"manifest": {"versions": {"tensorflow": "another"}}},
        {"dataset": digits(159)},
    ],
    ids=str,
)
def test_what_decides_its_bits_parts_the_runs(cache, tmp_path, differs):
    assert place_of(tmp_path, **differs) != place_of(tmp_path)


@pytest.mark.parametrize(
    "differs",
    [
        {"epochs": (3, 7)},
        {"alpha": {"first": 3.0, "growth": "annealing", "epochs_each": 2}},
        {"model": {**SMALL_NETWORK["model"], "clusters": 9}},
        {"title": "another"},
    ],
    ids=str,
)
def test_what_comes_after_it_does_not(cache, tmp_path, differs):
    assert place_of(tmp_path, changes=differs) == place_of(tmp_path)


def test_another_code_trains_its_own(cache, tmp_path):
    run = made_run(clustering(), DATA, tmp_path)
    paths = []
    for code in ("a", "b", "a"):
        run.update_manifest(code=code)
        paths.append(SharedAutoencoder.of(run, 0).path)
    assert paths[0] == paths[2] != paths[1]
