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
        ("test.lead.precision.1.8", "precision of the classes 1, 8 above that of the others, test"),
        ("history.gain.val_accuracy@10", "validation accuracy gained after epoch 10"),
        ("history.val_accuracy@max", "highest validation accuracy"),
        ("history.epoch.val_loss@min", "epoch of the lowest validation loss"),
        ("history.val_loss@0", "validation loss before the training"),
        ("history.accuracy_gap@final", "validation minus training accuracy in the last epoch"),
        ("history.seconds@mean", "seconds per epoch"),
        ("parameters.trainable", "trained parameters"),
        ("history.fall.val_accuracy", "largest fall of the validation accuracy between epochs"),
        ("history.reconstruction_loss@50", "reconstruction loss after epoch 50"),
        ("test.nmi_mapped", "NMI of the mapped labels, test"),
        ("clustering.before_joint.accuracy", "accuracy, before the joint training"),
        ("clustering.gain.nmi", "NMI of the clusters, gained by the joint training"),
        ("embedding.maps.final.knn_purity.map", "neighbours of the same class, map of the last layer"),
        ("embedding.maps.final.knn_purity.features", "neighbours of the same class, last layer"),
        (
            "embedding.maps.intermediate.line.errors",
            "images on the wrong side of the line, map of the intermediate layer",
        ),
        ("stages.2.epochs", "epochs of stage 3"),
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
