"""A compiled model and its compiled loops: many steps in one call of TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from kerasexp.config.schema import DeepKMeansLoss, Stage
from kerasexp.data.pipeline import TrainingImages
from kerasexp.training.optimizers import build_optimizer
from kerasexp.training.replicas import make_metrics


def compile_model(model: keras.Model, stage: Stage, images: TrainingImages, epochs: int) -> None:
    """Compiles a model as the stage says, and makes every variable of its optimizer and metrics."""
    optimizer = build_optimizer(stage, epochs * images.steps_per_epoch)
    if isinstance(stage.loss, DeepKMeansLoss):
        model.compile(optimizer, clustering_weight=stage.loss.clustering_weight, jit_compile=False)
        model.optimizer.build(model.trainable_variables)
        return
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=stage.loss.label_smoothing)
    model.compile(optimizer, loss, metrics=["accuracy"], jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    if images.sharing is not None:
        make_metrics(model, model.output.shape[-1])
        return
    # the metrics' variables are made at their first use, which must not be inside the compiled loop
    x, y = images.unpack(next(iter(images.epoch(0).take(1))))
    model.compute_metrics(x[:1], y[:1], y[:1])
    model.reset_metrics()


def compiled_steps(step: Callable[[Any], Any], images: TrainingImages) -> Callable[[Any, Any], None]:
    """A function of (iterator, steps) that takes that many batches of an epoch through `step` in one call.

    Args:
        step: a model's `train_step` or `test_step`.
        images: whose `epoch` the iterator goes through.
    """

    @tf.function
    def run_steps(iterator: Any, steps: Any) -> None:
        for _ in tf.range(steps):
            step(images.unpack(next(iterator)))

    return run_steps


def compiled_validation(model: keras.Model) -> Callable[[Any], None]:
    """A function of a data set that adds all its batches to the model's metrics."""

    @tf.function
    def run_validation(batches: Any) -> None:
        for batch in batches:
            model.test_step(batch)

    return run_validation
