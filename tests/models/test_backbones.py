"""Transfer-learning networks: published parameter counts, equality with Keras' own, files that plain Keras opens."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kerasexp.errors import UsageError
from kerasexp.models import network, parameter_count
from kerasexp.models.mobilenet_v2 import mobilenet_v2_features
from kerasexp.models.preprocessing import centred_bgr

EUROSAT = (64, 64, 3)
WIDTH_1_4 = 4_363_712  # keras.applications.MobileNetV2(alpha=1.4, include_top=False).count_params()


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def freeze_before(model: keras.Model, name: str) -> keras.Model:
    """Freezes the layers in front of one, in a network that is one line from its join on."""
    names = [layer.name for layer in model.layers]
    for layer in model.layers[: names.index(name)]:
        layer.trainable = False
    return model


def is_flat_and_built_in(model: keras.Model) -> bool:
    assert model.layers[-1].name == "probabilities"
    flat = not any(isinstance(layer, keras.Model) for layer in model.layers)
    return flat and all(layer.__class__.__module__.startswith("keras.") for layer in model.layers)


def test_alexnet_counts():
    model = network("alexnet.alexnet")(EUROSAT, 10)
    assert parameter_count(model) == 57_044_810
    assert model.get_layer("alexnet_pool5").output.shape == (None, 6, 6, 256)
    freeze_before(model, "flatten")
    assert parameter_count(model, trainable=True) == 54_575_114


@pytest.fixture(scope="module")
def torchvision():
    keras.utils.set_random_seed(0)
    return network("mobilenet_v2.mobilenet_v2")(EUROSAT, 10, layout="torchvision")


def test_mobilenet_v2_counts(torchvision):
    assert torchvision.get_layer("out_relu").output.shape == (None, 7, 7, 1280)
    assert parameter_count(torchvision, trainable=True) == 2_236_682
    assert parameter_count(torchvision) == 2_257_984 + 12_810
    assert parameter_count(torchvision.get_layer("logits")) == 12_810


def test_fusion_counts():
    first, second = 16, 8  # 4096 and 1024 in the study, which take 0.9 GB
    model = network("fusion.alexnet_mobilenet_v2")(EUROSAT, 10, dense=(first, second))
    assert is_flat_and_built_in(model)
    assert model.get_layer("resizing").output.shape == (None, 224, 224, 3)
    assert model.get_layer("alexnet_pool5").output.shape == (None, 6, 6, 256)
    assert model.get_layer("mobilenet_v2_pool").output.shape == (None, 6, 6, 1280)
    assert model.get_layer("fusion").output.shape == (None, 6, 6, 1536)

    def head(first: int, second: int) -> int:
        return (36 * 1536 + 1) * first + (first + 1) * second + (second + 1) * 10

    assert parameter_count(model) == 2_469_696 + 2_257_984 + head(first, second)
    freeze_before(model, "flatten")
    assert parameter_count(model, trainable=True) == head(first, second)
    assert head(4096, 1024) == 230_702_090


@pytest.mark.slow
def test_fusion_at_full_size():
    model = freeze_before(network("fusion.alexnet_mobilenet_v2")(EUROSAT, 10), "flatten")
    assert parameter_count(model, trainable=True) == 230_702_090


@pytest.mark.parametrize("head", ["softmax", "relu"])
def test_vgg16_counts(head):
    model = network("vgg16.vgg16")((224, 224, 3), 3, head=head)
    assert is_flat_and_built_in(model)
    assert parameter_count(model) == parameter_count(model, trainable=True) == 14_716_227
    for name, trainable in (("block4_conv1", 12_980_739), ("block5_conv1", 7_080_963), ("features", 1_539)):
        assert parameter_count(freeze_before(model, name), trainable=True) == trainable


def test_mobilenet_v2_is_that_of_keras():
    size = 75  # then 38, 19, 10, 5: odd and even sizes are padded differently
    theirs = keras.applications.MobileNetV2((size, size, 3), alpha=0.35, include_top=False, weights=None)
    image = keras.Input((size, size, 3))
    ours = keras.Model(image, mobilenet_v2_features(image, alpha=0.35))
    generator = np.random.default_rng(0)
    named = [layer for layer in ours.layers if layer.weights]
    assert [layer.name for layer in named] == [layer.name for layer in theirs.layers if layer.weights]
    for layer in named:
        if isinstance(layer, keras.layers.BatchNormalization):
            drawn = [0.5 + generator.random(weight.shape) for weight in layer.weights]
        else:
            fan_in = 9 if isinstance(layer, keras.layers.DepthwiseConv2D) else np.prod(layer.kernel.shape[:-1])
            drawn = [generator.standard_normal(weight.shape) / np.sqrt(fan_in) for weight in layer.weights]
        layer.set_weights(drawn)
        other = theirs.get_layer(layer.name)
        other.set_weights(drawn)
        if isinstance(layer, keras.layers.BatchNormalization):
            assert (layer.epsilon, layer.momentum) == (other.epsilon, 0.9)  # momentum is the study's
    x = images(2, size, size, 3)
    expected = theirs(keras.applications.mobilenet_v2.preprocess_input(x.astype("float32")))
    assert np.std(expected) > 0.5
    np.testing.assert_allclose(ours(x), expected, atol=2e-3)


def test_the_new_head_of_a_pretrained_mobilenet_v2_starts_as_pytorchs():
    head = network("mobilenet_v2.mobilenet_v2")((32, 32, 3), 10, alpha=0.35, input_size=None).get_layer("logits")
    for values in head.get_weights():  # the bias too
        assert np.abs(values).max() <= 1 / np.sqrt(1280)
        assert np.abs(values).max() > 0.5 / np.sqrt(1280)


def test_widths_of_mobilenet_v2_are_those_of_keras():
    image = keras.Input((32, 32, 3))  # the last convolution grows above 1 only
    ours = keras.Model(image, mobilenet_v2_features(image, alpha=1.4))
    assert parameter_count(ours) == WIDTH_1_4


def test_mobilenet_v2_in_torchvisions_layout(torchvision):
    model = torchvision
    strided = [layer for layer in model.layers if isinstance(layer, keras.layers.ZeroPadding2D)]
    assert len(strided) == 5
    assert all(layer.padding == ((1, 1), (1, 1)) for layer in strided)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            assert (layer.momentum, layer.epsilon) == (0.9, 1e-5)
    for name, fan_out in (("Conv1", 9 * 32), ("block_16_depthwise", 9 * 960), ("block_16_project", 320)):
        kernel = model.get_layer(name).get_weights()[0]
        assert kernel.std() == pytest.approx(np.sqrt(2 / fan_out), rel=0.05)
    assert model.get_layer("logits").kernel.numpy().std() == pytest.approx(0.01, rel=0.05)
    inside = keras.Model(model.input, model.get_layer("mobilenet_v2_normalization").output)
    white = np.asarray(inside(np.full((1, *EUROSAT), 255, "uint8")))[0, 0, 0]
    np.testing.assert_allclose(white, [(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225], rtol=1e-5)


def test_preprocessing_of_vgg16_is_that_of_keras():
    x = images(2, 4, 5, 3)
    image = keras.Input((4, 5, 3))
    expected = keras.applications.vgg16.preprocess_input(x.astype("float32"))
    np.testing.assert_allclose(keras.Model(image, centred_bgr(image))(x), expected, atol=1e-4)
    with pytest.raises(ValueError, match="3 channels"):
        network("vgg16.vgg16")((64, 64, 1), 3)


def test_vgg16_is_that_of_keras():
    theirs = keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3))
    model = network("vgg16.vgg16")((32, 32, 3), 3, input_size=None)
    for layer in theirs.layers[1:]:
        model.get_layer(layer.name).set_weights(layer.get_weights())
    x = images(2, 32, 32, 3)
    maps = np.asarray(theirs(keras.applications.vgg16.preprocess_input(x.astype("float32"))))
    pooled = keras.Model(model.input, model.get_layer("features").output)(x)
    np.testing.assert_allclose(pooled, maps.mean(axis=(1, 2)), rtol=1e-4, atol=1e-5)


def test_features_of_an_earlier_layer_of_vgg16():
    model = network("vgg16.vgg16")((32, 32, 3), 3, input_size=None, features="block4_pool")
    assert model.get_layer("features").output.shape == (None, 512)
    assert "block5_conv1" not in [layer.name for layer in model.layers]
    with pytest.raises(ValueError, match='Did you mean "block4_pool"'):
        network("vgg16.vgg16")((32, 32, 3), 3, features="block4_pol")


def test_relu_head_gives_shares_and_no_nan():
    model = network("vgg16.vgg16")((32, 32, 3), 3, input_size=None, head="relu", features="block1_pool")
    dense = model.get_layer("logits")
    x = images(1, 32, 32, 3)

    def probabilities(*values: float) -> np.ndarray:
        dense.set_weights([np.zeros(dense.kernel.shape), np.array(values)])
        return np.asarray(model(x))[0]

    np.testing.assert_allclose(probabilities(1.0, 3.0, 0.0), [0.25, 0.75, 0.0], atol=1e-7)
    np.testing.assert_allclose(probabilities(-1.0, -2.0, 0.0), [1 / 3] * 3, rtol=1e-6)
    # the loss of a class without a value is that of the study: clipped at 1e-7, and without a gradient
    model.compile(optimizer=keras.optimizers.SGD(1.0), loss="categorical_crossentropy")
    probabilities(1.0, 3.0, -1.0)
    assert model.train_on_batch(x, np.array([[0.0, 0.0, 1.0]])) == pytest.approx(-np.log(1e-7), rel=1e-4)
    np.testing.assert_allclose(dense.bias.numpy(), [1.0, 3.0, -1.0], atol=1e-6)
    probabilities(-1.0, -1.0, -1.0)
    assert model.train_on_batch(x, np.array([[0.0, 0.0, 1.0]])) == pytest.approx(np.log(3), rel=1e-4)
    assert np.isfinite(model.get_layer("block1_conv1").get_weights()[0]).all()


@pytest.mark.parametrize("head", ["softmax", "relu"])
def test_keras_opens_the_saved_network_in_its_safe_mode(tmp_path, head):
    model = network("vgg16.vgg16")((40, 40, 3), 3, input_size=32, head=head, features="block2_pool")
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    x = images(2, 40, 40, 3)
    np.testing.assert_array_equal(model(x), again(x))


@pytest.mark.parametrize(
    ("backbone", "parameters", "features"),
    [
        ("vgg16", 14_714_688, 512),
        pytest.param("mobilenet_v2", 2_257_984, 1280, marks=pytest.mark.slow),
        pytest.param("resnet50", 23_587_712, 2048, marks=pytest.mark.slow),
    ],
)
def test_classifier_over_a_backbone(backbone, parameters, features):
    model = network("transfer.classifier")(EUROSAT, 2, backbone=backbone)
    assert model.get_layer("features").output.shape == (None, features)
    assert parameter_count(model) == parameters + 2 * (features + 1)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("transfer.classifier", {"backbone": "vgg19"}, "vgg16, mobilenet_v2, resnet50"),
        ("transfer.classifier", {"alpha": 0.35}, "mobilenet_v2 only"),
        ("vgg16.vgg16", {"head": "tanh"}, "softmax, relu"),
        ("mobilenet_v2.mobilenet_v2", {"layout": "torch"}, "keras, torchvision"),
    ],
)
def test_settings_that_make_no_network(name, settings, message):
    with pytest.raises(ValueError, match=message):
        network(name)((64, 64, 3), 2, **settings)


@pytest.mark.parametrize("name", ["mobilenet_v2._block", "vgg16.vgg16_features", "blocks.activated", "vgg17.vgg16"])
def test_helpers_are_no_networks(name):
    with pytest.raises(UsageError, match=r"no .* in kerasexp\.models\..* Valid: alexnet\.alexnet, .*vgg16\.vgg16\.$"):
        network(name)
