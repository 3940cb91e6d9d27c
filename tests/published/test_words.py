"""Metrics in words."""

import pytest

from kerasexp.published.words import metric_words


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("test.accuracy", "accuracy, test"),
        ("validation.loss", "loss, validation"),
        ("test.weighted.precision", "weighted precision, test"),
        ("test.errors", "wrong images, test"),
        ("test.confusion.5.3", "class 5 taken for class 3, test"),
        ("test.confused.3.5", "classes 3 and 5 taken for each other, test"),
        ("history.val_accuracy@max", "highest validation accuracy"),
        ("history.epoch.val_loss@min", "epoch of the lowest validation loss"),
        ("history.val_loss@0", "validation loss before the training"),
        ("history.accuracy_gap@final", "validation minus training accuracy in the last epoch"),
        ("history.seconds@mean", "seconds per epoch"),
        ("parameters.trainable", "trained parameters"),
        ("data.train.images", "training images"),
        ("data.train+validation.images.4", "training and validation images of class 4"),
        ("data.train+validation+test.images", "images"),
        ("data.test.imbalance", "largest class to smallest, test images"),
        ("data.train.channel_mean.0", "mean of the first channel, training images"),
        (
            "data.train.channel_image_std.2",
            "mean of every image's standard deviation of the third channel, training images",
        ),
    ],
)
def test_words(metric: str, words: str) -> None:
    assert metric_words(metric) == words
