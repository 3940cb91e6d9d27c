"""The one trainer: stages, epochs, steps. It saves the exact state on the way, so that a killed run can go on.

`Model.fit` cannot start in the middle of an epoch and loses part of its state at a kill (measured, Keras 3.15), so the
epoch loop is ours, around Keras' own `train_step`, metrics and callbacks.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasexp import files
from kerasexp.config.schema import Augmentation, Experiment, KMeans, LinearSvm, Stage
from kerasexp.data.dataset import Dataset, Split
from kerasexp.data.pipeline import TrainingImages, evaluation_batches, resident_device
from kerasexp.errors import Interrupted, KerasexpError, WorkerLost
from kerasexp.models import prediction_batch
from kerasexp.models.deep_kmeans import DeepKMeans
from kerasexp.runs import Run
from kerasexp.training.alpha import AlphaSchedule
from kerasexp.training.cache import NoRoom
from kerasexp.training.callbacks import BestWeights, History, keras_callbacks
from kerasexp.training.compiled import compile_model, compiled_steps, compiled_validation
from kerasexp.training.devices import Devices
from kerasexp.training.features import FrozenPart, obstacle
from kerasexp.training.interruption import Interruption
from kerasexp.training.kmeans import place_representatives
from kerasexp.training.progress import Progress, say_difference
from kerasexp.training.replicas import Replicas
from kerasexp.training.shared import SharedAutoencoder
from kerasexp.training.stages import changing_weights, freeze
from kerasexp.training.state import Position, StateFolder, build_seeded, frozen_digest, variables_of
from kerasexp.training.svm import solve_last_layer

SECONDS_PER_CALL = 1.0  # of training between two looks at the clock, the signals and the progress


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a training ended.

    Attributes:
        status: `complete` (by its own rule), `stopped` (by `--max-time`) or `interrupted` (by a signal).
        model: with the weights of the last step.
        best_weights: of the last stage's best epoch by the monitored metric, or None without validation data.
        position: where it ended.
        stages: what each stage trained and whether it used the feature cache, for the manifest.
    """

    status: str
    model: keras.Model
    best_weights: list[np.ndarray] | None
    position: Position
    stages: list[dict[str, Any]]


def train(
    run: Run,
    experiment: Experiment,
    dataset: Dataset,
    progress: Progress,
    max_seconds: float | None = None,
    published_epochs: int | None = None,
    pretrained: Callable[[keras.Model], None] = lambda model: None,
    devices: Devices | None = None,
) -> Outcome:
    """Trains a run from its last saved state, or from its seed if there is none.

    On several machines every one of them calls this, with a run of its own; only the chief saves the state.

    Args:
        run: its folder takes the state, the history and the events; the caller holds its lock.
        experiment: the run's configuration.
        dataset: the run's data, split as the configuration says.
        progress: is told what happens.
        max_seconds: of wall time after which the state is saved and the training ends as `stopped`. It counts once the
            first steps are done, so that however short it is the training gets on; before them only the time that the
            features of a frozen part take counts.
        published_epochs: how many epochs the study needed, as a horizon for the progress.
        pretrained: puts the pretrained weights into the freshly built network.
        devices: where the network is trained; by default on TensorFlow's first one.

    Raises:
        KerasexpError: if the loss becomes NaN or infinite, or the disk is full. The last saved state survives.
        WorkerLost: if another machine no longer answers. The last saved state survives.
    """
    devices = devices or Devices()
    training = _Training(run, experiment, dataset, progress, max_seconds, published_epochs, pretrained, devices)
    try:
        return training.train()
    except WorkerLost as error:
        raise WorkerLost(f"{error} {training.what_is_left()}") from None
    except tf.errors.OpError as error:
        if devices.cluster is None or isinstance(error, tf.errors.ResourceExhaustedError):
            raise
        raise WorkerLost(f"{devices.lost(error)}. {training.what_is_left()}") from None


def validation_split(experiment: Experiment, dataset: Dataset) -> Split | None:
    """The images that validate each epoch, or None."""
    return {"test": dataset.test, "split": dataset.validation, "none": None}[experiment.data.validation]


class _Training:
    def __init__(
        self,
        run: Run,
        experiment: Experiment,
        dataset: Dataset,
        progress: Progress,
        max_seconds: float | None,
        published_epochs: int | None,
        pretrained: Callable[[keras.Model], None],
        devices: Devices,
    ):
        self.run = run
        self.experiment = experiment
        self.dataset = dataset
        self.progress = progress
        self.max_seconds = math.inf if max_seconds is None else max_seconds
        self.published_epochs = published_epochs
        self.pretrained = pretrained
        self.devices = devices
        self.classes = len(dataset.class_names)
        self.state = StateFolder(run.path("state"))
        self.history = History(run.path("history.csv"), run.path("events"))
        self.best = BestWeights(experiment.monitor, ())
        self.stages: list[dict[str, Any]] = []
        self.position = Position()
        self.images: Any = None
        self.steps_per_call = 1
        self.saved = time.monotonic()
        self.deadline = math.inf  # until the first steps are done, which also compile

    def train(self) -> Outcome:
        self.state.remove_leftovers()
        saved = self.state.load_position()
        self.position = saved or Position()
        self.devices.agree({"the position of the saved state": dataclasses.asdict(self.position)})
        self.model = build_seeded(self.experiment, self.dataset.image_shape, self.classes, self.devices.scope())
        with self.devices.scope():
            return self._train(saved)

    def _train(self, saved: Position | None) -> Outcome:
        self.pretrained(self.model)
        self.constant = [layer.name for layer in self.model.layers if not layer.trainable]
        status = "complete"
        with Interruption() as self.interruption:
            try:
                for number in range(self.position.stage, len(self.experiment.training_stages)):
                    resumed = saved is not None and number == saved.stage
                    if not resumed:
                        self._begin_stage(number)
                    status = self._train_stage(number, resumed)
                    if status != "complete":
                        break
            finally:
                self.history.close()
        return Outcome(status, self.model, self.best.of_model(self.model), self.position, self.stages)

    def _begin_stage(self, number: int) -> None:
        self.position = dataclasses.replace(
            self.position,
            stage=number,
            earlier_epochs=self.position.all_epochs,
            epoch=0,
            step=0,
            best_epoch=None,
            best_value=None,
            stop_reason="",
        )

    def _train_stage(self, number: int, resumed: bool) -> str:
        position, stage = self.position, self.experiment.training_stages[number]
        self.images = None  # a GPU need not keep those of the stage before as well
        freeze(self.model, stage, self.constant)
        # several replicas come to other bits than one, and other machines have other caches
        shared = SharedAutoencoder.of(self.run, number) if stage.shared and self.devices.strategy is None else None
        if shared and not resumed and self._takes(shared, stage):
            return "complete"
        changing = changing_weights(self.model, self.experiment.training_stages[: number + 1], self.constant)
        self.best = BestWeights(self.experiment.monitor, changing)
        cut_before = position.cut
        try:
            self.trained, dataset, augmentation = self._without_frozen_part(stage)
        except Interrupted:
            if not self.interruption.requested:
                self.progress.note("The time was up while features were computed, which are kept: no step was made.")
            return self._ended_early()  # nothing of this stage to save
        if resumed and position.cut != cut_before:
            was, now = ("once", "in every step") if cut_before else ("in every step", "once")
            say_difference(self.run, self.progress, f"the frozen part was computed {was} and is computed {now} now")
        sharing = self.devices.sharing
        device = resident_device(dataset.train, augmentation) if sharing is None else None
        images = TrainingImages(
            dataset.train, self.classes, stage.batch_size, self.experiment.seed, augmentation, sharing, device
        )
        self.images = images
        epochs = stage.epochs_for(len(self.dataset.train), self.experiment.augmentation.copies)
        compile_model(self.trained, stage, images, epochs)
        self.callbacks = keras_callbacks(stage)
        watchers = keras.callbacks.CallbackList(self.callbacks, model=self.trained)
        watchers.on_train_begin()
        self.variables = variables_of(self.trained, changing)
        self.state.frozen = frozen_digest(self.model, changing)
        if resumed:
            self.best.weights = self.state.restore(self.variables, self.callbacks)
        self.history.cut_to(position.all_epochs)
        if stage.is_solved and position.step == position.epoch == 0:
            self._solve(stage, dataset.train)
        run_steps, run_validation = self._compiled(train=not stage.is_solved)
        validation = validation_split(self.experiment, dataset)
        batch = prediction_batch(self.trained)
        self.validation = None if validation is None else evaluation_batches(validation, self.classes, batch)
        self.progress.started(
            self.experiment,
            epochs=epochs,
            steps_per_epoch=images.steps_per_epoch,
            images_per_epoch=images.images_per_epoch,
            first_epoch=position.epoch,
            first_step=position.step,
            published_epochs=self.published_epochs,
            stage=number,
        )
        self.trained.stop_training = False
        while not position.stop_reason:
            if position.step == 0:
                self.trained.reset_metrics()
                watchers.on_epoch_begin(position.epoch)
            if not self._train_epoch(run_steps):
                self._save()
                return self._ended_early()
            self._finish_epoch(run_validation, watchers)
            if self.trained.stop_training:
                position.stop_reason = "early stopping"
            elif position.epoch >= epochs:
                position.stop_reason = "all epochs"
            if position.stop_reason or self._save_is_due():
                self._save()
        watchers.on_train_end()
        if shared:
            shared.keep(self.model, self.history.rows()[position.earlier_epochs :])
        return "complete"

    def _compiled(self, train: bool) -> tuple[Callable[[Any, Any], None], Callable[[Any], None]]:
        """What runs steps, and what runs the validation; without training an epoch only measures what was solved."""
        if self.devices.strategy is None:
            step = self.trained.train_step if train else self.trained.test_step
            return compiled_steps(step, self.images), compiled_validation(self.trained)
        replicas = Replicas(self.trained, self.devices)
        return replicas.compiled_steps(train), replicas.compiled_validation()

    def _takes(self, shared: SharedAutoencoder, stage: Stage) -> bool:
        """Whether another run has trained the stage, so that its weights and its history are taken over."""
        rows = shared.take(self.model)
        if rows is None:
            return False
        position, took = self.position, 0.0
        alpha = next(watcher for watcher in keras_callbacks(stage) if isinstance(watcher, AlphaSchedule))
        self.progress.note(f"The autoencoder of {len(rows)} epochs is taken from an earlier run: {shared.path}")
        self.history.cut_to(position.earlier_epochs)
        for row in rows:
            position.epoch += 1
            position.images_seen += len(self.dataset.train) * max(1, self.experiment.augmentation.copies)
            took += row["seconds"]
            self.history.append({**row, **self._numbers(), "alpha": alpha.value(position.epoch - 1)})
        position.seconds += took  # what the result cost, whoever paid it
        self._describe(stage, taken=True, seconds=round(took, 3))
        return True

    def _solve(self, stage: Stage, split: Split) -> None:
        """Lets scikit-learn find the weights of a stage."""
        began = time.monotonic()
        if isinstance(stage.optimizer, LinearSvm):
            self.progress.note(f"Solving the support vector machine on {len(split):,} images")
            solve_last_layer(self.trained, split, stage.optimizer, self.experiment.seed)
        elif isinstance(stage.optimizer, KMeans):
            assert isinstance(self.trained, DeepKMeans)
            self.progress.note(f"k-means on {len(split):,} embedded images")
            embedding = place_representatives(self.trained, split, stage.optimizer, self.experiment.seed)
            # what the evaluation sets beside the end of the training
            before = {"embedding": embedding, "representatives": self.trained.representatives.numpy()}
            files.write_npz(self.run.path("before_joint.npz"), **before)
        if self.devices.cluster is not None:  # other processors may come to other bits
            for weight in self.trained.weights:
                weight.assign(self.devices.of_chief(weight.numpy()))
        self.position.seconds += time.monotonic() - began
        self.position.epoch_seconds += time.monotonic() - began

    def _without_frozen_part(self, stage: Stage) -> tuple[keras.Model, Dataset, Augmentation]:
        """What is trained on what: the rest of the network on features where that is possible, else all of it."""
        augmentation = self.experiment.augmentation
        reason = obstacle(self.model, stage, augmentation)
        trained, dataset, cut, seconds = self.model, self.dataset, None, 0.0
        if not reason:
            part = FrozenPart.of(self.model, stage, augmentation, self.experiment.seed)
            began = time.monotonic()
            alone = self.devices.cluster is None

            def is_over() -> bool:  # one machine does not stop alone: the others would wait for it
                return alone and (self._is_over() or time.monotonic() - began >= self.max_seconds)

            try:
                # the evaluation computes those of the test images, where the training does not look at them
                test_too = self.experiment.data.validation == "test"
                dataset = part.features_of(self.dataset, self.progress.note, is_over, test_too)
                trained, cut, seconds = part.tail, part.cut, part.seconds
                augmentation = augmentation.model_copy(update={"copies": 0})
            except NoRoom as error:
                reason = f"the features cannot be kept: {error}"
                self.progress.note(f"Every epoch computes the frozen part again: {error}.")
            self.max_seconds -= time.monotonic() - began
        self.devices.agree({"use of the feature cache": cut})
        self.position.cut = cut
        self._describe(
            stage, feature_cache={"used": not reason, "reason": reason, "cut": cut, "seconds": round(seconds, 1)}
        )
        return trained, dataset, augmentation

    def _describe(self, stage: Stage, **about: Any) -> None:
        """Notes what the current stage trains, for the manifest."""
        trainable = sum(math.prod(weight.shape) for weight in self.model.trainable_weights)
        first = self.position.earlier_epochs + 1
        self.stages.append({"name": stage.stage, "first_epoch": first, "trainable_parameters": trainable, **about})

    def _train_epoch(self, run_steps: Callable[[Any, Any], None]) -> bool:
        """Runs the rest of the current epoch; False if a signal or the time limit ended it."""
        position, images = self.position, self.images
        iterator: Any = None
        while position.step < images.steps_per_epoch:
            if self.devices.any(self._is_over()):
                return False
            if iterator is None:
                iterator = iter(images.epoch(position.epoch, position.step))
            steps = self.devices.of_chief(min(self.steps_per_call, images.steps_per_epoch - position.step))
            began = time.monotonic()
            run_steps(iterator, tf.constant(steps))
            logs = self._logs()
            seconds = time.monotonic() - began
            if self.deadline == math.inf:
                self.deadline = time.monotonic() + self.max_seconds
            position.step += steps
            position.seconds += seconds
            position.epoch_seconds += seconds
            seen = min(position.step * images.batch_size, images.images_per_epoch)
            done = min((position.step - steps) * images.batch_size, images.images_per_epoch)
            position.images_seen += seen - done
            self._check_finite(logs)
            self.progress.advanced(position.epoch, position.step, logs, (seen - done) / max(seconds, 1e-9))
            # the first call also traces and the last one of an epoch may be short: no large jumps
            fitting = round(steps * SECONDS_PER_CALL / max(seconds, 1e-6))
            self.steps_per_call = max(1, self.steps_per_call // 2, min(self.steps_per_call * 8, fitting))
            unfinished = position.step < images.steps_per_epoch
            if unfinished and self._save_is_due():
                self._save()
        return True

    def _is_over(self) -> bool:
        return self.interruption.requested or time.monotonic() >= self.deadline

    def _ended_early(self) -> str:
        return "interrupted" if self.devices.any(self.interruption.requested) else "stopped"

    def _finish_epoch(self, run_validation: Callable[[Any], None], watchers: Any) -> None:
        position, model = self.position, self.trained
        logs = self._logs()
        if self.validation is not None:
            began = time.monotonic()
            model.reset_metrics()
            run_validation(self.validation)
            # alpha is a setting: the same for all images
            logs.update({f"val_{name}": value for name, value in self._logs().items() if name != "alpha"})
            position.seconds += time.monotonic() - began
            position.epoch_seconds += time.monotonic() - began
        logs["learning_rate"] = self._learning_rate()
        position.epoch += 1
        position.step = 0
        watchers.on_epoch_end(position.epoch - 1, dict(logs))
        if self.best.is_better(logs, position.best_value):
            position.best_epoch, position.best_value = position.epoch, logs[self.best.monitor]
            self.best.remember()
        self.history.append({**self._numbers(), **logs, "seconds": round(position.epoch_seconds, 3)})
        self.progress.epoch_ended(position.epoch - 1, logs, position.epoch_seconds)
        position.epoch_seconds = 0.0

    def _numbers(self) -> dict[str, int]:
        """How the history counts the epoch that has just been finished."""
        stage = {"stage": self.position.stage + 1} if self.experiment.stages else {}
        return {"epoch": self.position.all_epochs, **stage}

    def _logs(self) -> dict[str, float]:
        return {name: float(value) for name, value in self.trained.get_metrics_result().items()}

    def _learning_rate(self) -> float:
        return float(keras.ops.convert_to_numpy(self.trained.optimizer.learning_rate))

    def _save_is_due(self) -> bool:
        return self.devices.of_chief(time.monotonic() - self.saved >= self.experiment.save_seconds)

    def _save(self) -> None:
        if self.devices.is_chief:
            self.state.save(self.variables, self.callbacks, self.position, self.best.weights)
        else:
            for variable in self.variables:
                variable.numpy()  # the chief reads the running sums of all machines, which takes all of them
        self.saved = time.monotonic()

    def what_is_left(self) -> str:
        """The last saved state, and how to go on from it, in words."""
        if not self.devices.is_chief:
            return "Worker 0 keeps the saved state. Go on with kerasexp resume on every machine."
        saved = self.state.load_position()
        where = f"epoch {saved.all_epochs + 1}, step {saved.step}" if saved else "none: it begins again from its seed"
        return f"The last saved state: {where}. Go on, on every machine, with: kerasexp resume {self.run}"

    def _check_finite(self, logs: dict[str, float]) -> None:
        if math.isfinite(logs["loss"]):
            return
        broken = [weight.path for weight in self.trained.weights if not np.isfinite(weight.numpy()).all()]
        where = (
            f"weights that are no longer finite: {', '.join(broken[:3])}" if broken else "all weights are still finite"
        )
        raise KerasexpError(
            f"The loss became {logs['loss']} in epoch {self.position.epoch + 1}, by step {self.position.step} "
            f"({where}; learning rate {self._learning_rate():g}). The training diverged{self._remedy()}."
        )

    def _remedy(self) -> str:
        """How to train with a lower rate. What is saved goes the same way again, so the run is not resumed."""
        stage = self.experiment.training_stages[self.position.stage]
        rates = [getattr(part.optimizer, "learning_rate", None) for part in (stage, self.experiment)]
        if rates[0] is None:
            return ""
        lower = f"{rates[0] / 10:g}"
        if rates[0] == rates[1]:
            return f": start again with a lower rate, e.g. --set optimizer.learning_rate={lower}"
        return (
            f": start again with a lower rate, e.g. {lower}, in the stage {stage.stage}, which has one of its own: "
            "override stages with --set, as a whole"
        )
