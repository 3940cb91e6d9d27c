"""The scikit-learn face of Deep k-Means: the trainer's own weights, and scikit-learn's own contract."""

from __future__ import annotations

import pickle
import random
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

import kerasexp
from kerasexp import DeepKMeansClusterer
from kerasexp.errors import KerasexpError
from tests.training.examples import SMALL_NETWORK, clustering, digits, made_run, train_run

QUICK = {"hidden": (16,), "embedding": 3, "autoencoder_epochs": 1, "joint_epochs": 1, "batch_size": 32}


@pytest.fixture(scope="module")
def images():
    return load_digits().data / 16


@pytest.fixture(scope="module")
def fitted(images):
    settings = {"autoencoder_epochs": 30, "joint_epochs": 5, "batch_size": 64, "learning_rate": 3e-3}
    return DeepKMeansClusterer(hidden=(64, 64), **settings).fit(images)


def test_groups_are_digits(fitted):
    """k-means on the pixels comes to an adjusted Rand index of about 0.67; chance is 0."""
    assert adjusted_rand_score(load_digits().target, fitted.labels_) > 0.5
    assert len(np.unique(fitted.labels_)) == 10


def test_what_it_gives(fitted, images):
    assert fitted.predict(images).tolist() == fitted.labels_.tolist()
    distances, embedding = fitted.transform(images), fitted.embed(images)
    assert distances.shape == (1797, 10)
    assert embedding.shape == (1797, 10)
    assert distances.dtype == embedding.dtype == np.float32
    expected = np.linalg.norm(embedding[:, None] - fitted.cluster_centers_, axis=-1)
    assert distances == pytest.approx(expected, abs=1e-4)
    assert distances.argmin(axis=1).tolist() == fitted.labels_.tolist()
    assert fitted.get_feature_names_out()[-1] == "deepkmeansclusterer9"
    assert kerasexp.DeepKMeansClusterer is DeepKMeansClusterer


def test_the_weights_are_those_of_a_run(tmp_path):
    """On the images of a run and with its settings; 0 to 255, or the same from 0 to 1."""
    dataset = digits()
    trained = train_run(made_run(clustering(seed=5), dataset, tmp_path), dataset).model
    flat = dataset.train.x.reshape(len(dataset.train), -1)
    network = {"n_clusters": 4, "hidden": [16], "embedding": 3}
    for samples in (flat, flat / 255):
        clusterer = DeepKMeansClusterer(
            **network, autoencoder_epochs=3, joint_epochs=2, batch_size=SMALL_NETWORK["batch_size"], random_state=5
        ).fit(samples)
        pairs = zip(clusterer.model_.get_weights(), trained.get_weights(), strict=True)
        assert all(np.array_equal(one, other) for one, other in pairs)


def test_random_state_alone_decides(images):
    some = images[:100]
    generators = random.getstate(), np.random.get_state()[1].tolist()
    first = DeepKMeansClusterer(**QUICK, random_state=3).fit(some).transform(some)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == generators
    random.random()
    np.random.random()
    assert np.array_equal(DeepKMeansClusterer(**QUICK, random_state=3).fit(some).transform(some), first)
    assert not np.array_equal(DeepKMeansClusterer(**QUICK, random_state=4).fit(some).transform(some), first)


def test_without_the_autoencoder_s_epochs_it_starts_from_random_representatives(images):
    annealing = {**QUICK, "autoencoder_epochs": 0, "alpha": 0.1, "growth": "annealing", "joint_epochs": 2}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        clusterer = DeepKMeansClusterer(**annealing).fit(images[:200])
    assert float(clusterer.model_.alpha) == pytest.approx(0.42320861)
    assert np.abs(clusterer.cluster_centers_).max() < 1.1  # U(-1, 1), two epochs on


def test_any_range_of_values_is_brought_to_that_of_images(images):
    some = images[:100]
    first = DeepKMeansClusterer(**QUICK).fit(some)
    moved = DeepKMeansClusterer(**QUICK).fit(some * 64 - 32)  # exact in floating point
    assert moved.data_range_ == (-32, 32)
    assert np.array_equal(moved.transform(some * 64 - 32), first.transform(some))
    assert moved.model_.predict(np.full((1, 64, 1, 1), 255.0), verbose=0)["pixels"].max() == 1


def test_constant_samples_fall_into_one_cluster():
    with pytest.warns(ConvergenceWarning, match="Only 1 of 10 clusters"):
        clusterer = DeepKMeansClusterer(**QUICK).fit(np.full((40, 9), 0.7))
    assert len(set(clusterer.labels_)) == 1
    assert np.isfinite(clusterer.transform(np.ones((2, 9)))).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_clusters": 1}, "n_clusters must be a whole number of at least 2, received: 1"),
        ({"n_clusters": 0}, "at least 2"),
        ({"n_clusters": 2.0}, "at least 2, received: 2.0"),
        ({"n_clusters": 21}, "n_samples=20 should be >= n_clusters=21"),
        ({"hidden": ()}, "hidden must be widths"),
        ({"hidden": 8}, "hidden must be widths"),
        ({"hidden": (8, 0)}, "hidden must be widths"),
        ({"embedding": 0}, "embedding must be"),
        ({"alpha": 0}, "alpha must be a number above 0, received: 0"),
        ({"alpha": -1.0}, "above 0"),
        ({"alpha": float("nan")}, "above 0, received: nan"),
        ({"alpha": "sharp"}, "above 0, received: 'sharp'"),
        ({"clustering_weight": -0.1}, "clustering_weight must be a number of at least 0"),
        ({"growth": "anealing"}, 'Did you mean "annealing"'),
        ({"joint_epochs": 0}, "joint_epochs must be"),
        ({"batch_size": True}, "batch_size must be"),
        ({"learning_rate": 0.0}, "learning_rate must be"),
        ({"random_state": "seed"}, "seed"),
    ],
)
def test_wrong_settings_are_refused_by_fit(wrong, message):
    clusterer = DeepKMeansClusterer(**{**QUICK, **wrong})  # not before
    with pytest.raises(ValueError, match=message):
        clusterer.fit(np.random.default_rng(0).random((20, 4)))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(bad, images):
    samples = images[:20].copy()
    samples[3, 7] = bad
    with pytest.raises(ValueError, match="NaN|infinity"):
        DeepKMeansClusterer(**QUICK).fit(samples)


def test_a_diverging_training_says_so(images):
    with pytest.raises(KerasexpError, match=r"The loss became .* of the autoencoder.*lower learning_rate"):
        DeepKMeansClusterer(**{**QUICK, "autoencoder_epochs": 3}, learning_rate=1e30).fit(images[:100])


def test_no_alpha_overflows(images):
    clusterer = DeepKMeansClusterer(**QUICK, alpha=1e6).fit(images[:100])
    assert all(np.isfinite(weight).all() for weight in clusterer.model_.get_weights())


def test_it_is_kept_whole(fitted, images):
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.transform(images[:50]), fitted.transform(images[:50]))
    assert clone(fitted).get_params() == fitted.get_params()


@pytest.mark.slow
def test_it_stands_in_pipelines_and_searches(images):
    pipeline = make_pipeline(FunctionTransformer(np.sqrt), DeepKMeansClusterer(**QUICK, n_clusters=np.int64(5)))
    assert len(pipeline.fit_predict(images[:100])) == 100
    search = GridSearchCV(
        DeepKMeansClusterer(**QUICK),
        {"n_clusters": [2, 3]},
        scoring=lambda fitted, X, y=None: -fitted.transform(X).min(axis=1).mean(),
        cv=2,
    ).fit(images[:100])
    assert search.best_params_["n_clusters"] in (2, 3)


ONE_CLUSTER = [
    "check_dont_overwrite_parameters",
    "check_fit2d_1feature",
    "check_fit2d_1sample",
    "check_fit2d_predict1d",
    "check_methods_subset_invariance",
]


ORDER = "check_methods_sample_order_invariance"


@pytest.mark.slow
@parametrize_with_checks(
    [DeepKMeansClusterer(hidden=(8,), autoencoder_epochs=1, joint_epochs=1)],
    expected_failed_checks=lambda estimator: {
        **dict.fromkeys(
            ONE_CLUSTER, "sets n_clusters=1, which groups nothing and is refused; with 2 it passes (see below)"
        ),
        ORDER: "wants 1e-9, float32 has 1e-7: a batch's rest is summed in another order (see below)",
    },
)
def test_scikit_learn_s_checks(estimator, check):
    check(estimator)


def test_the_order_of_samples_changes_nothing_but_the_last_bit(images):
    fitted, order = DeepKMeansClusterer(**QUICK).fit(images[:100]), np.random.default_rng(0).permutation(100)
    np.testing.assert_allclose(fitted.transform(images[order]), fitted.transform(images[:100])[order], rtol=1e-5)
    assert fitted.predict(images[order]).tolist() == fitted.predict(images[:100])[order].tolist()


class AtLeastTwo(DeepKMeansClusterer):
    """For checks that set one cluster though they have nothing to do with it."""

    def __setattr__(self, name, value):
        super().__setattr__(name, max(2, value) if name == "n_clusters" else value)


@pytest.mark.slow
@pytest.mark.parametrize("check", ONE_CLUSTER)
def test_scikit_learn_s_checks_that_set_one_cluster(check):
    clusterer = AtLeastTwo(hidden=(8,), autoencoder_epochs=1, joint_epochs=1)
    getattr(estimator_checks, check)("DeepKMeansClusterer", clusterer)
