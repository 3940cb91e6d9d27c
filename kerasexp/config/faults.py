"""The named mistakes that published recipes carry. Every report names those it touched."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kerasexp.config.schema import Experiment


@dataclasses.dataclass(frozen=True)
class Fault:
    """A mistake that a recipe lists.

    Attributes:
        explanation: what it does to the numbers.
        touches: whether a run with these settings still has it; a variant or an override may have repaired it.
    """

    explanation: str
    touches: Callable[[Experiment], bool] = lambda experiment: True


FAULTS: dict[str, Fault] = {
    "test_as_validation": Fault(
        "The test set also served as validation set. Whatever was chosen by it (when to stop, when to lower the "
        "learning rate, which epoch is shown) makes the test score optimistic.",
        lambda experiment: experiment.data.validation == "test",
    ),
    "adadelta_default_rate": Fault(
        "Adadelta ran at the Keras 3 default learning rate of 0.001 instead of 1.0. That alone explains hundreds of "
        "epochs and much of the gap to the data set's benchmark (94.6 %).",
        lambda experiment: experiment.optimizer.name == "adadelta" and experiment.optimizer.learning_rate == 0.001,
    ),
    "last_epoch_weights": Fault(
        "The table was made with the weights of the last epoch, although the report says that the best ones were used.",
        lambda experiment: experiment.weights == "last",
    ),
    "static_augmentation": Fault(
        "The augmented images were drawn once and repeated in every epoch, and the originals were left out.",
        lambda experiment: experiment.augmentation.static and experiment.augmentation.copies > 0,
    ),
    "pooling_parameter_parity": Fault(
        "The network without pooling has 3.9 times the parameters of the CNN that it is compared with."
    ),
    "single_seed": Fault("The published number is one run; its spread between seeds is unknown."),
    "small_test_set": Fault(
        "The test set has 128 or 200 images: one image is 0.5 to 0.8 points, and the 95 % interval of a score 6 to 17 "
        "points wide. Most differences between the study's models are smaller."
    ),
    "small_validation_set": Fault(
        "The best epoch was chosen by accuracy on 133 images, in steps of 0.75 points and with many ties.",
        lambda experiment: experiment.weights == "best" and experiment.monitor == "val_accuracy",
    ),
    "best_weights_bug": Fault(
        "The best weights were kept as a reference that the training went on changing, so the test was made with the "
        "weights of the last epoch.",
        lambda experiment: experiment.weights == "last",
    ),
    "mixed_runs": Fault("The report's figures, tables and text come from two runs of the same model."),
    "unseeded_split": Fault(
        "The study drew its test images without a seed, anew for each model. Ours are others, and its models were not "
        "compared on the same images."
    ),
    "adapting_batch_norm": Fault(
        "The BatchNorm of the frozen layers went on adapting its statistics, so the frozen part was not frozen.",
        lambda experiment: _some_stage(experiment, "batch_norm", "adapting"),
    ),
    "unapplied_normalisation": Fault(
        "The report recommends normalising the channels and prints their statistics, but no run applied them; the "
        "standard deviations are means of every image's own."
    ),
    "untested_choice": Fault("The best configuration was named by its validation score and never tested."),
    "misreported_rate": Fault(
        "The report prints the learning rate 0.001; the notebook whose output equals its table used 0.0001.",
        lambda experiment: _some_rate(experiment, 1e-4),
    ),
    "undertrained_head": Fault(
        "At a learning rate of 0.0001 the head of 1,539 parameters was still learning when it stopped, so that the "
        "frozen network may look worse than it is.",
        lambda experiment: _some_rate(experiment, 1e-4),
    ),
    "train_metrics_from_last_epoch": Fault(
        "The published training scores are running averages over the last epoch on augmented images, those of "
        "validation and test are of the best epoch.",
        lambda experiment: experiment.weights == "best",
    ),
    "times_of_unequal_runs": Fault(
        "The published times compare runs of 27 to 50 epochs, not the cost of an epoch.",
    ),
    "dropout_in_training_loss": Fault(
        "The training loss was taken with dropout, the validation loss without; that the second is lower says little "
        "about overfitting."
    ),
    "relu_head": Fault(
        "A ReLU instead of softmax ends the network: its outputs are no distribution, and cross-entropy divides them "
        "by their sum, which may be 0.",
        lambda experiment: experiment.model.get("head") == "relu",
    ),
    "assumed_backbone": Fault(
        "The report names neither the pretrained network nor how it was trained; both are assumed here."
    ),
    "assumed_training": Fault(
        "The report does not say how the network was trained; optimizer, learning rate and batch size are assumed here."
    ),
    "oracle_choice": Fault(
        "The best alpha was chosen by the accuracy on labels, of the very images that were trained on. Who clusters "
        "has no labels; the silhouette and the loss beside it need none."
    ),
    "unmatched_clusters_zero": Fault(
        "Clusters that the one-to-one map left over count as the digit 0. With more clusters than digits that makes "
        "errors of images that are grouped well; the majority vote beside it does not.",
        lambda experiment: experiment.model.get("clusters", 0) > 10,
    ),
    "nmi_of_mapped_labels": Fault(
        "The mutual information was taken of the mapped labels, not of the clusters; the two differ unless every digit "
        "has one cluster.",
    ),
    "no_baseline": Fault(
        "k-means on the autoencoder's embedding was computed and thrown away, so that what the joint training gained "
        "is unknown in the study."
    ),
    "shared_optimizer": Fault(
        "One Adam was shared by all twelve runs, so its bias correction was off from the second run on; here every "
        "stage has a fresh one."
    ),
    "unequal_epochs": Fault("The runs without pretraining had 40 epochs in all, those with it 70."),
}


def _some_stage(experiment: Experiment, setting: str, value: object) -> bool:
    return any(getattr(stage, setting, None) == value for stage in (experiment, *experiment.stages))


def _some_rate(experiment: Experiment, rate: float) -> bool:
    stages = (experiment, *experiment.stages)
    return any(getattr(getattr(stage, "optimizer", None), "learning_rate", None) == rate for stage in stages)


def touched(experiment: Experiment) -> list[tuple[str, str]]:
    """Name and explanation of each fault that a run with these settings really has."""
    found = [(name, FAULTS[name]) for name in experiment.faults]
    return [(name, fault.explanation) for name, fault in found if fault.touches(experiment)]
