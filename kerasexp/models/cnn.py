"""Small convolutional networks."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from kerasexp.models.blocks import activated
from kerasexp.models.preprocessing import normalized
from kerasexp.models.torch_layers import batch_normalization, convolution, linear


def kmnist_cnn(
    image_shape: tuple[int, int, int],
    classes: int,
    filters: Sequence[int] = (32, 64),
    kernel_size: int = 3,
    pooling: bool = True,
    dense: int = 128,
    dropout: Sequence[float] = (0.25, 0.5),
    extra_layers: int = 0,
    activation: str = "relu",
    normalization: str = "none",
    initialization: str = "glorot_uniform",
) -> keras.Model:
    """Two valid convolutions, one max-pooling and one hidden layer: the CNN of the KMNIST study.

    On 28x28x1 images and 10 classes it has 1,199,882 parameters, without pooling 4,738,826. The last four arguments are
    what the study left open.

    Args:
        image_shape: height, width, channels.
        classes: width of the softmax.
        filters: of the two convolutions.
        kernel_size: of all convolutions.
        pooling: whether a 2x2 max-pooling follows them.
        dense: width of the hidden layer.
        dropout: rates after the pooling and after the hidden layer.
        extra_layers: further convolutions before the pooling, each as the second one.
        activation: of the convolutions and the hidden layer, a name that Keras knows.
        normalization: before each of these activations: `none`, `batch` or `layer`.
        initialization: of the kernels of these layers, a name that Keras knows.

    Returns:
        A model from images with values 0 to 255 (`float32` or `uint8`, `[batch, height, width, channels]`) to class
        probabilities (`float32`, `[batch, classes]`).

    References:
        Semcovici, MAC5921 EP1 (2024), figures of the architectures; its code for the dropout rates.
    """
    if extra_layers < 0:
        raise ValueError(f"extra_layers must be 0 or more, received: {extra_layers}")
    first, second = filters
    before, after = dropout
    image = keras.Input(image_shape, name="image")
    x = layers.Rescaling(1 / 255, name="rescaling")(image)
    open_settings = {"activation": activation, "normalization": normalization, "initialization": initialization}
    for number, width in enumerate([first, second, *[second] * extra_layers], start=1):
        x = activated(x, layers.Conv2D, width, kernel_size, name=f"conv{number}", **open_settings)
    if pooling:
        x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.Dropout(before, name="dropout1")(x)
    x = layers.Flatten(name="flatten")(x)
    x = activated(x, layers.Dense, dense, name="dense1", **open_settings)
    x = layers.Dropout(after, name="dropout2")(x)
    probabilities = layers.Dense(classes, activation="softmax", name="probabilities")(x)
    return keras.Model(image, probabilities, name="kmnist_cnn")


def simple_cnn(
    image_shape: tuple[int, int, int],
    classes: int,
    hidden: int | None = 128,
    dropout: Sequence[float] = (0.25, 0.5),
    mean: Sequence[float] | None = (0.1307,),
    std: Sequence[float] | None = (0.3081,),
) -> keras.Model:
    """Two padded convolutions, one max-pooling and one hidden layer: the CNN of the SimpleCNN study.

    On 28x28x1 images and 10 classes it has 813,802 parameters, without the hidden layer 72,298. The layer `flatten`
    gives the study's intermediate features, `logits` the final ones.

    Args:
        image_shape: height, width, channels.
        classes: width of the softmax.
        hidden: width of the hidden layer; None for a network without one, as the study proposes.
        dropout: rates after the pooling and after the hidden layer.
        mean: of each channel in [0, 1], subtracted from the scaled images; None (with `std`) for no normalisation.
        std: standard deviation of each channel likewise.

    Returns:
        A model from images with values 0 to 255 (`float32` or `uint8`, `[batch, height, width, channels]`) to class
        probabilities (`float32`, `[batch, classes]`).

    References:
        del Valle Cano, APPIV practica 1 (2022), text and number of parameters; widths derived from that number,
        dropout rates and normalisation assumed.
    """
    after_pool, after_hidden = dropout
    image = keras.Input(image_shape, name="image")
    x = normalized(image, mean, std)
    x = convolution(x, 32, 3, "conv1", padding=1, activation="relu")
    x = convolution(x, 32, 3, "conv2", padding=1)
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.ReLU(name="relu2")(x)
    x = layers.Dropout(after_pool, name="dropout1")(x)
    x = layers.Flatten(name="flatten")(x)
    if hidden is not None:
        x = linear(x, hidden, "dense1", activation="relu")
        x = layers.Dropout(after_hidden, name="dropout2")(x)
    logits = linear(x, classes, "logits")
    probabilities = layers.Softmax(name="probabilities")(logits)
    return keras.Model(image, probabilities, name="simple_cnn")


def cnn_base(
    image_shape: tuple[int, int, int],
    classes: int,
    dropout: float = 0.25,
) -> keras.Model:
    """Three convolutions without pooling and two hidden layers: CNNBase of the CIFAR and EuroSAT study.

    On 32x32x3 images and 10 classes it has 4,218,842 parameters.

    Args:
        image_shape: height, width, channels.
        classes: width of the softmax.
        dropout: rate after the first hidden layer.

    Returns:
        A model from images with values 0 to 255 (`float32` or `uint8`, `[batch, height, width, channels]`) to class
        probabilities (`float32`, `[batch, classes]`).

    References:
        Bastos, Cordeiro, APA TP1 (2024), figure 3 and code.
    """
    image = keras.Input(image_shape, name="image")
    x = normalized(image, None, None)
    for number, filters in enumerate((8, 32, 16), start=1):
        x = convolution(x, filters, 3, f"conv{number}", padding=1, activation="relu")
    x = layers.Flatten(name="flatten")(x)
    x = linear(x, 256, "dense1", activation="relu")
    x = layers.Dropout(dropout, name="dropout1")(x)
    x = linear(x, 64, "dense2", activation="relu")
    logits = linear(x, classes, "logits")
    probabilities = layers.Softmax(name="probabilities")(logits)
    return keras.Model(image, probabilities, name="cnn_base")


def cnn_v2(
    image_shape: tuple[int, int, int],
    classes: int,
    dropout: float = 0.4,
) -> keras.Model:
    """Four convolutions with batch normalisation and pooling, two hidden layers: CNNV2 of the CIFAR and EuroSAT study.

    On 32x32x3 images and 10 classes it has 246,826 parameters, 480 of them moving statistics.

    Args:
        image_shape: height, width, channels.
        classes: width of the softmax.
        dropout: rate after the first hidden layer.

    Returns:
        A model from images with values 0 to 255 (`float32` or `uint8`, `[batch, height, width, channels]`) to class
        probabilities (`float32`, `[batch, classes]`).

    References:
        Bastos, Cordeiro, APA TP1 (2024), code.
    """
    image = keras.Input(image_shape, name="image")
    x = normalized(image, None, None)
    for number, filters in enumerate((16, 32, 64, 128), start=1):
        x = convolution(x, filters, 3, f"conv{number}", padding=1)
        x = batch_normalization(x, f"bn{number}")
        x = layers.ReLU(name=f"relu{number}")(x)
        x = layers.MaxPooling2D(2, name=f"pool{number}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = linear(x, 256, "dense1", activation="relu")
    x = layers.Dropout(dropout, name="dropout1")(x)
    x = linear(x, 64, "dense2", activation="relu")
    logits = linear(x, classes, "logits")
    probabilities = layers.Softmax(name="probabilities")(logits)
    return keras.Model(image, probabilities, name="cnn_v2")


def cnn_v3(
    image_shape: tuple[int, int, int],
    classes: int,
    dropout: float | Sequence[float] = (0.2, 0.3, 0.4, 0.5, 0.5),
) -> keras.Model:
    """Five blocks of convolution, batch normalisation, pooling and dropout: CNNV3 of the CIFAR and EuroSAT study.

    On 32x32x3 images and 10 classes it has 1,576,682 parameters, 1,984 of them moving statistics.

    Args:
        image_shape: height, width, channels.
        classes: width of the softmax.
        dropout: rates at the end of the five blocks, or one rate for all of them (the study's configurations c1 to c4).

    Returns:
        A model from images with values 0 to 255 (`float32` or `uint8`, `[batch, height, width, channels]`) to class
        probabilities (`float32`, `[batch, classes]`).

    References:
        Bastos, Cordeiro, APA TP1 (2024), code.
    """
    widths = (32, 64, 128, 256, 512)
    rates = dropout if isinstance(dropout, Sequence) else (dropout,) * len(widths)
    if len(rates) != len(widths):
        raise ValueError(f"dropout must be one rate or {len(widths)}, received: {dropout}")
    image = keras.Input(image_shape, name="image")
    x = normalized(image, None, None)
    for number, (filters, rate) in enumerate(zip(widths, rates, strict=True), start=1):
        x = convolution(x, filters, 3, f"conv{number}", padding=1, use_bias=False)
        x = batch_normalization(x, f"bn{number}")
        x = layers.ReLU(name=f"relu{number}")(x)
        x = layers.MaxPooling2D(2, name=f"pool{number}")(x)
        x = layers.Dropout(rate, name=f"dropout{number}")(x)
    x = layers.Flatten(name="flatten")(x)
    logits = linear(x, classes, "logits")
    probabilities = layers.Softmax(name="probabilities")(logits)
    return keras.Model(image, probabilities, name="cnn_v3")
