"""Deep k-Means: the network of the study, its losses against NumPy, and plain Keras around it."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasexp.models.deep_kmeans import deep_kmeans
from kerasexp.training.alpha import AlphaSchedule, alphas

SMALL = {"clusters": 3, "hidden": [8, 6], "embedding": 2}


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (64, 6, 6, 1)).astype(np.uint8)


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    return deep_kmeans((6, 6, 1), **SMALL)


def test_the_study_s_network_has_its_parameters():
    model = deep_kmeans((28, 28, 1), clusters=20)
    assert sum(weight.numpy().size for weight in model.autoencoder_weights) == 3_330_794
    assert model.encoder.count_params() == 392_500 + 250_500 + 1_002_000 + 20_010
    assert model.representatives.shape == (20, 10)
    assert [layer.output.shape[-1] for layer in model.layers if layer.name.startswith("decoder")] == [2000, 500, 500]
    assert model.count_params() == 3_330_794 + 20 * 10 + 1


def test_the_losses_are_the_paper_s_sums(model, images):
    model.alpha.assign(2.5)
    out = {name: tensor.numpy().astype(np.float64) for name, tensor in model(images).items()}
    pixels = images.reshape(64, -1) / 255
    assert out["pixels"] == pytest.approx(pixels, abs=1e-6)
    distances = ((out["embedding"][:, None] - model.representatives.numpy()) ** 2).sum(-1)
    assert out["distances"] == pytest.approx(distances, rel=1e-4)
    shares = np.exp(-2.5 * distances)
    shares /= shares.sum(1, keepdims=True)
    assert out["assignment"] == pytest.approx(shares, abs=1e-5)
    model.compile("adam", clustering_weight=0.5)
    losses = model.losses_of(model(images))
    reconstruction = ((pixels - out["reconstruction"]) ** 2).sum(1).mean()
    clustering = (distances * shares).sum(1).mean()
    assert float(losses["reconstruction_loss"]) == pytest.approx(reconstruction, rel=1e-4)
    assert float(losses["clustering_loss"]) == pytest.approx(clustering, rel=1e-4)
    assert float(losses["loss"]) == pytest.approx(reconstruction + 0.5 * clustering, rel=1e-4)


def test_no_alpha_overflows(model, images):
    model.alpha.assign(1e6)
    with tf.GradientTape() as tape:
        outputs = model(images)
        loss = model.losses_of(outputs)["loss"]
    assert np.isfinite(loss)
    assert all(np.isfinite(gradient).all() for gradient in tape.gradient(loss, model.trainable_variables))
    nearest = outputs["distances"].numpy().argmin(1)
    assert outputs["assignment"].numpy().argmax(1).tolist() == nearest.tolist()


def test_without_the_clustering_loss_only_the_autoencoder_learns(model, images):
    before = [weight.numpy() for weight in (model.representatives, *model.encoder.weights)]
    model.compile("adam", clustering_weight=0.0)
    model.fit(images, epochs=1, batch_size=32, verbose=0)
    after = [weight.numpy() for weight in (model.representatives, *model.encoder.weights)]
    assert np.array_equal(before[0], after[0])
    assert not any(np.array_equal(one, two) for one, two in zip(before[1:], after[1:], strict=True) if one.any())


def test_plain_fit_saves_and_loads(model, images, tmp_path):
    model.compile(keras.optimizers.Adam(1e-2), clustering_weight=1.0)
    history = model.fit(
        images, epochs=3, batch_size=32, callbacks=[AlphaSchedule(0.1, "annealing", epochs_each=2)], verbose=0
    ).history
    assert history["loss"][-1] < history["loss"][0]
    assert history["alpha"] == pytest.approx([0.1, 0.1, 0.42320861])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    expected, found = model.predict(images, verbose=0), loaded.predict(images, verbose=0)
    assert {name: array.tobytes() for name, array in found.items()} == {
        name: array.tobytes() for name, array in expected.items()
    }
    assert float(loaded.alpha) == pytest.approx(0.42320861)
    decoded = loaded.decoder(loaded.encoder(images))
    assert np.allclose(decoded, expected["reconstruction"], atol=1e-6)


def test_the_autoencoder_starts_alike_whatever_the_number_of_clusters():
    starts = []
    for clusters in (2, 20):
        keras.utils.set_random_seed(5)
        model = deep_kmeans((6, 6, 1), **{**SMALL, "clusters": clusters})
        starts.append([weight.numpy() for weight in model.autoencoder_weights])
    assert all(np.array_equal(one, two) for one, two in zip(*starts, strict=True))


@pytest.mark.parametrize("wrong", [{"clusters": 1}, {"clusters": 0}, {"hidden": []}, {"embedding": 0}])
def test_what_makes_no_clustering_is_refused(wrong):
    with pytest.raises(ValueError, match="at least"):
        deep_kmeans((6, 6, 1), **{**SMALL, **wrong})


def test_annealing_is_the_published_growth():
    """2^(1/ln(i+1)^2); the logs of the study end at 2.8133, 28.133, 140.66 and 281.33."""
    values = alphas(1.0, "annealing", 40)
    factors = [after / before for before, after in zip(values, values[1:], strict=False)]
    assert factors[:5] == pytest.approx([4.2321, 1.7759, 1.4343, 1.3068, 1.2410], abs=5e-5)
    assert [first * values[-1] for first in (0.01, 0.1, 0.5, 1)] == pytest.approx(
        [2.8133, 28.133, 140.66, 281.33], rel=3e-5
    )
    assert alphas(300, "constant", 3) == [300, 300, 300]
