"""The published parameter counts, and builders that refuse what cannot be built."""

import numpy as np
import pytest

from kerasexp.config.loading import load_experiment
from kerasexp.errors import UsageError
from kerasexp.models import build, network, parameter_count

COUNTS = {"kmnist_cnn": 1_199_882, "kmnist_cnn_nopool": 4_738_826, "kmnist_fcnn": 1_333_770}  # KMNIST study, figures


@pytest.mark.parametrize("name", COUNTS)
def test_published_parameter_count(name):
    model = build(load_experiment(name), (28, 28, 1), 10)
    assert parameter_count(model) == parameter_count(model, trainable=True) == COUNTS[name]


@pytest.mark.parametrize("name", COUNTS)
def test_networks_take_the_shape_and_classes_of_the_data(name):
    model = build(load_experiment(name), (20, 24, 3), 4)
    output = model(np.full((2, 20, 24, 3), 255, "uint8")).numpy()
    assert output.shape == (2, 4)
    np.testing.assert_allclose(output.sum(axis=1), 1, rtol=1e-5)


def test_preprocessing_is_inside():
    model = build(load_experiment("kmnist_fcnn"), (4, 4, 1), 2)
    assert model.get_layer("rescaling").scale == pytest.approx(1 / 255)


def test_images_too_small_for_the_network_are_refused():
    with pytest.raises(UsageError, match="cannot be built for 3x3x1 images"):
        build(load_experiment("kmnist_cnn"), (3, 3, 1), 10)


@pytest.mark.parametrize(
    "name", ["cnn.kmnist_cn", "cn.kmnist_cnn", "os.system", "kmnist_cnn", "cnn.layers", "cnn.keras"]
)
def test_only_builders_can_be_named(name):
    with pytest.raises(UsageError, match="network: no"):
        network(name)


def test_a_map_of_a_layer_that_the_network_lacks_is_refused_before_the_training():
    wanted = load_experiment("kmnist_cnn", overrides=["embedding={intermediate: flaten}"])
    with pytest.raises(UsageError, match='no layer "flaten". Did you mean "flatten"?'):
        build(wanted, (28, 28, 1), 10)
