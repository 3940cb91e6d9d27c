"""A submission as it is found: a run folder or a bare model, loaded safely and evaluated on the hidden images."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasexp import files
from kerasexp.config.rubric import Rubric
from kerasexp.errors import DataError, KerasexpError
from kerasexp.evaluation.classification import evaluate_predictions
from kerasexp.models import prediction_batch
from kerasexp.models.built_in import RefusedModel
from kerasexp.models.untrusted import load_untrusted
from kerasexp.runs import Run, open_run

SEEN_ALONE = 20  # images that are predicted a second time, each in a batch of its own
ROUNDING = 0.05  # of a model's largest output; bfloat16 has 3 digits, and other batches are summed in another order


@dataclasses.dataclass(frozen=True)
class Submission:
    """What the criteria look at.

    Attributes:
        kind: `run` or `model`.
        run: the run folder, None for a bare model.
        model: the model, or None where it cannot be loaded.
        card: what kerasexp wrote into the model's file, None for one of another program.
        model_problem: why there is no model.
        test: numbers on the hidden images, None where they cannot be had.
        test_problem: why not.
    """

    kind: str
    run: Run | None = None
    model: keras.Model | None = None
    card: dict[str, Any] | None = None
    model_problem: str = ""
    test: dict[str, Any] | None = None
    test_problem: str = ""


def open_submission(path: Path, rubric: Rubric, hidden: dict[str, np.ndarray], most_bytes: int) -> Submission:
    """Finds, loads and evaluates a submission.

    Args:
        path: a run folder, a `.keras` file, or a folder that holds exactly one of these.
        rubric: says how a bare model wants its images.
        hidden: `x` uint8 `[n, height, width, channels]`, `y` int64 `[n]` and `class_names`.
        most_bytes: how much the model's file may hold.

    Raises:
        RefusedModel: for a model that holds code, and for a folder with links or special files.
        DataError: if there is no submission, or more than one.
    """
    found = _find(path)
    submission = Submission("model") if found.is_file() else Submission("run", open_run(found))
    file = found if submission.run is None else submission.run.path("model.keras")
    try:
        model, card = load_untrusted(file, most_bytes)
    except RefusedModel:
        raise
    except DataError as error:
        return dataclasses.replace(submission, model_problem=str(error), test_problem=str(error))
    submission = dataclasses.replace(submission, model=model, card=card)
    try:
        probabilities = probabilities_of(model, card, hidden["x"], hidden["class_names"].tolist(), rubric)
        test = evaluate_predictions(probabilities, hidden["y"], hidden["class_names"].tolist())
    except KerasexpError as error:
        return dataclasses.replace(submission, test_problem=str(error))
    except (MemoryError, tf.errors.ResourceExhaustedError):
        raise
    except Exception as error:  # whatever a student's network or its card does wrong is a reason, not a crash
        problem = f"The model cannot be evaluated: {files.reason(error)}."
        return dataclasses.replace(submission, test_problem=problem)
    return dataclasses.replace(submission, test=test)


def _find(path: Path) -> Path:
    """The run folder or model that a submission is."""
    if path.is_file():
        if path.suffix != ".keras":
            raise DataError(f"{path.name} is no submission. Expected a run folder or a .keras model.")
        return path
    for entry in path.rglob("*"):
        if entry.is_symlink() or not (entry.is_file() or entry.is_dir()):
            raise RefusedModel(f"{entry.relative_to(path)} is refused: it is a link or no plain file.")
    if (path / "manifest.json").is_file():
        return path
    runs = sorted(entry.parent for entry in path.rglob("manifest.json"))
    found = runs or sorted(path.rglob("*.keras"))
    if len(found) == 1:
        return found[0]
    listed = ", ".join(str(one.relative_to(path)) for one in found[:3])
    raise DataError(
        f"Expected one run folder or one .keras model, found {len(found)} of them: {listed}."
        if found
        else "There is no run folder (with manifest.json) and no .keras model in it."
    )


def probabilities_of(
    model: keras.Model, card: dict[str, Any] | None, x: Any, class_names: Sequence[str], rubric: Rubric
) -> np.ndarray:
    """What a model says of images, in the order of `class_names`.

    Args:
        model: a classifier; one with a single output for two classes gives the probability of the second.
        card: of a model of kerasexp.
        x: uint8 `[n, height, width, channels]`.
        class_names: of the images.
        rubric: says how a bare model wants its images.

    Returns:
        float32 array `[n, classes]`.

    Raises:
        DataError: if the model does not fit the images or the classes.
    """
    shape = _input_shape(model, x.shape[1:])
    _check_output(model, len(class_names))
    model = keras.Model(model.inputs, model.outputs)  # a Sequential does not tell its operations

    def predicted(chosen: np.ndarray, batch: int) -> np.ndarray:
        parts = []
        for first in range(0, len(chosen), batch):
            images = np.asarray(x[chosen[first : first + batch]]).reshape(-1, *shape)
            if card is None:
                images = images.astype(np.float32) * (rubric.model_input.scale / 255)
            parts.append(np.asarray(model.predict_on_batch(images), dtype=np.float32))
        return _in_order(np.concatenate(parts), card, class_names)

    # without a seed: no submission can know which images come together
    order = np.random.default_rng().permutation(len(x))
    probabilities = np.empty((len(x), len(class_names)), np.float32)
    probabilities[order] = predicted(order, prediction_batch(model, 100))
    alone = order[:SEEN_ALONE]
    _check_alone(probabilities[alone], predicted(alone, 1))
    return probabilities


def _input_shape(model: keras.Model, image: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that images of shape `image` get for the model: as they are, without the one channel, or flat."""
    try:
        inputs = model.inputs or []
    except (AttributeError, ValueError):
        inputs = []
    if len(inputs) != 1:
        raise DataError(f"The model has {len(inputs)} inputs. Expected one: images.")
    wanted = tuple(inputs[0].shape[1:])
    height, width, channels = image
    for shape in (image, *([(height, width)] if channels == 1 else []), (height * width * channels,)):
        if len(shape) == len(wanted) and all(want in (None, have) for want, have in zip(wanted, shape, strict=True)):
            return shape
    raise DataError(f"Wrong shape: the model takes {_times(wanted)}, the images are {_times(image)}.")


def _check_output(model: keras.Model, classes: int) -> None:
    outputs = model.outputs
    if len(outputs) != 1:
        raise DataError(f"The model has {len(outputs)} outputs. Expected one: a probability for each class.")
    shape = tuple(outputs[0].shape[1:])
    if shape != (classes,) and not (classes == 2 and shape == (1,)):
        raise DataError(
            f"Wrong shape: the model gives {_times(shape)} for an image. Expected {classes}, one for each class."
        )


def _check_alone(together: np.ndarray, alone: np.ndarray) -> None:
    """Refuses what another class is for when an image comes alone, by more than any rounding explains."""
    rows = np.arange(len(alone))
    with np.errstate(invalid="ignore"):  # what is not finite is said elsewhere
        lost = alone.max(axis=1) - alone[rows, together.argmax(axis=1)]
        others = int((lost > ROUNDING * np.abs(alone).max(axis=1)).sum())
    if others:
        raise DataError(
            "What the model says of an image depends on the images beside it, or on chance: of "
            f"{len(alone)} images, {others} get another class when they come alone."
        )


def _in_order(outputs: np.ndarray, card: dict[str, Any] | None, class_names: Sequence[str]) -> np.ndarray:
    """A column for each class, by name where the model names the same classes in another order."""
    if outputs.shape[1] == 1:
        if not ((outputs >= 0) & (outputs <= 1)).all():
            raise DataError("The model's one output is no probability. Expected 0 to 1, or one output for each class.")
        return np.concatenate([1 - outputs, outputs], axis=1)
    own = list(map(str, card.get("class_names") or ())) if card else []
    if sorted(own) == sorted(class_names):
        return outputs[:, [own.index(name) for name in class_names]]
    return outputs


def _times(shape: Sequence[int | None]) -> str:
    return "x".join("any" if side is None else str(side) for side in shape) or "a single number"
