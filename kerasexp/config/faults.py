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
        "The test set also served as validation set: it decided when to stop and when to lower the learning rate, so "
        "the test score is optimistic.",
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
}


def touched(experiment: Experiment) -> list[tuple[str, str]]:
    """Name and explanation of each fault that a run with these settings really has."""
    found = [(name, FAULTS[name]) for name in experiment.faults]
    return [(name, fault.explanation) for name, fault in found if fault.touches(experiment)]
