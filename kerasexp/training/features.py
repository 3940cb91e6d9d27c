"""Frozen layers cost once: what they compute is kept, and only what stands on it is trained."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasexp import environment
from kerasexp.config.schema import Augmentation, Stage
from kerasexp.data.dataset import Dataset, Images, ImagesOnDisk, Split
from kerasexp.data.pipeline import ordered_batches
from kerasexp.errors import Interrupted
from kerasexp.training.cache import FeatureCache
from kerasexp.training.progress import duration
from kerasexp.training.stages import frozen_part, parents

Say = Callable[[str], None]  # is told what takes long
IsOver = Callable[[], bool]  # is asked between two blocks of images
BLOCK_BYTES = 192 * 2**20  # of the widest float32 tensor in one call of the frozen part
SECONDS_PER_NOTE = 20.0
IN_MEMORY = 500e6  # bytes of features up to which a training holds them in memory


def obstacle(model: keras.Model, stage: Stage, augmentation: Augmentation) -> str:
    """Why nothing of a stage can be computed in advance; empty if something can."""
    frozen = frozen_part(model, stage)
    if not frozen:
        return "every layer is trained"
    if augmentation.copies and not augmentation.static:
        return "the images are augmented afresh in every epoch, in front of the frozen part"
    if stage.batch_norm == "adapting" and any(isinstance(layer, keras.layers.BatchNormalization) for layer in frozen):
        return "the BatchNorm statistics of the frozen part adapt to every batch"
    if cut_layer(model, stage) is None:
        return "nothing with weights is frozen in front of all that is trained"
    return ""


def cut_layer(model: keras.Model, stage: Stage) -> str | None:
    """The layer at whose output the network is cut: all passes through it, and only frozen layers precede it.

    It comes after the last frozen layer with weights, so that nothing costly is left to compute; of several such places
    it is the narrowest, and of equally narrow ones the last. A layer that behaves otherwise in training (dropout) ends
    what can be kept.
    """
    operations = model.operations
    place = {operation.name: i for i, operation in enumerate(operations)}
    # the earliest operation that each one stands on
    reach = [min((place[parent.name] for parent in parents(operation)), default=0) for operation in operations]
    frozen = {operation.name for operation in frozen_part(model, stage)}
    best: str | None = None
    narrowest, weighted = math.inf, False
    for i, operation in enumerate(operations):
        layer = operation if isinstance(operation, keras.Layer) else None
        if operation.name not in frozen or (layer is not None and layer._seed_generators):
            break
        if layer is not None and layer.weights and not isinstance(layer, keras.layers.Normalization):
            best, narrowest = None, math.inf
            weighted = True
        width = math.prod(operation.output.shape[1:])
        nothing_passes_by = min(reach[i + 1 :], default=i) >= i
        if weighted and nothing_passes_by and layer is not None and width <= narrowest:
            best, narrowest = layer.name, width
    return best


@dataclasses.dataclass
class FrozenPart:
    """The frozen beginning of a network, and the rest that stands on it.

    Attributes:
        cut: name of the layer whose output is kept.
        head: from images to features.
        tail: from features to probabilities; its layers are those of the whole network.
        augmentation: of the training images; static, or none.
        seed: of the static copies.
        cache: where features are kept.
        seconds: what the features took to compute, in this run or in an earlier one that kept them.
    """

    cut: str
    head: keras.Model
    tail: keras.Model
    augmentation: Augmentation
    seed: int
    cache: FeatureCache
    seconds: float = 0.0

    @classmethod
    def of(
        cls, model: keras.Model, stage: Stage, augmentation: Augmentation, seed: int, cache: FeatureCache | None = None
    ) -> FrozenPart:
        """Cuts a network for a stage that has no `obstacle`."""
        cut = cut_layer(model, stage)
        assert cut is not None
        tensor = model.get_layer(cut).output
        head = keras.Model(model.input, tensor, name="frozen_part")
        tail = keras.Model(tensor, model.output, name="trained_part")
        return cls(cut, head, tail, augmentation, seed, cache or FeatureCache())

    def features_of(
        self, dataset: Dataset, say: Say, is_over: IsOver = lambda: False, test_too: bool = True
    ) -> Dataset:
        """The data set with features instead of images; static copies of the training images stand one after another.

        Args:
            dataset: with images.
            say: is told what takes long.
            is_over: whether to stop.
            test_too: False leaves the test images as they are.

        Raises:
            NoRoom: if the features fit neither in the cache's bound nor on the disk.
            Interrupted: if `is_over` says so; what was computed is kept.
        """
        test = self._plain("test", [dataset.test], say, is_over)[0] if test_too else dataset.test
        validation = dataset.validation
        held_out = validation is not None and not np.intersect1d(dataset.train.index, validation.index).size
        if validation is not None and held_out and not self.augmentation.copies:
            # part of the training set: computed as one array with it, so that another split finds it again
            train, validation = self._plain("training", [dataset.train, validation], say, is_over)
            return dataclasses.replace(dataset, train=train, validation=validation, test=test)
        if self.augmentation.copies:
            train = self._copies(dataset.train, say, is_over)
        else:
            (train,) = self._plain("training", [dataset.train], say, is_over)
        if validation is not None:
            (validation,) = self._plain("validation", [validation], say, is_over)
        return dataclasses.replace(dataset, train=train, validation=validation, test=test)

    def _plain(self, part: str, splits: list[Split], say: Say, is_over: IsOver) -> list[Split]:
        """Features of several splits of one set of images, computed in the images' own order."""
        index = np.concatenate([split.index for split in splits])
        source = np.repeat(np.arange(len(splits)), [len(split) for split in splits])
        rows = np.concatenate([np.arange(len(split)) for split in splits])
        order = np.argsort(index, kind="stable")

        def images(start: int, stop: int) -> np.ndarray:
            block = np.empty((stop - start, *splits[0].x.shape[1:]), splits[0].x.dtype)
            for number, split in enumerate(splits):
                here = source[order[start:stop]] == number
                block[here] = split.x[rows[order[start:stop]][here]]
            return block

        content = hashlib.sha256()
        size = self._block_images()
        for start in range(0, len(order), size):
            content.update(images(start, min(start + size, len(order))).data)

        def blocks(first: int) -> Iterator[np.ndarray]:
            for start in range(first, len(order), size):
                yield images(start, min(start + size, len(order)))

        features = self._computed(f"{part} images", content.hexdigest(), len(order), blocks, say, is_over)
        places = np.empty(len(order), np.int64)
        places[order] = np.arange(len(order))
        found = []
        for number, split in enumerate(splits):
            found.append(dataclasses.replace(split, x=_rows(features, places[source == number])))
        return found

    def _copies(self, split: Split, say: Say, is_over: IsOver) -> Split:
        """Features of the static augmented copies of the training images."""
        content = hashlib.sha256(np.ascontiguousarray(split.index).data)
        size = self._block_images()
        for start in range(0, len(split), size):
            content.update(np.ascontiguousarray(split.x[start : start + size]).data)
        content.update(json.dumps([self.seed, self.augmentation.model_dump(mode="json")]).encode())
        copies = self.augmentation.copies
        count = copies * len(split)

        def blocks(first: int) -> Iterator[np.ndarray]:
            batches = ordered_batches(split, int(split.y.max()) + 1, self.seed, self.augmentation, size)
            for x, _ in batches.unbatch().skip(first).batch(size):
                yield x.numpy()

        features = self._computed("augmented copies", content.hexdigest(), count, blocks, say, is_over)
        return Split(_rows(features, np.arange(count)), np.tile(split.y, copies), np.arange(count))

    def _block_images(self) -> int:
        widest = max(math.prod(operation.output.shape[1:]) for operation in self.head.operations)
        return max(1, BLOCK_BYTES // (4 * widest))

    def _computed(
        self,
        what: str,
        content: str,
        count: int,
        blocks: Any,
        say: Say,
        is_over: IsOver,
    ) -> np.memmap:
        shape = (count, *self.head.output.shape[1:])
        # maps are many and only fed on: half the width will do; vectors are few and kept as they are
        dtype = np.float16 if len(shape) > 2 else np.float32
        key = hashlib.sha256(f"1 {content} {self._digest()} {shape} {np.dtype(dtype)}".encode()).hexdigest()[:24]
        kept = self.cache.get(key)
        if kept is not None and kept.shape == shape:
            self.seconds += self.cache.seconds(key)
            return kept
        run = tf.function(lambda x: tf.cast(self.head(x, training=False), tf.float32), reduce_retracing=True)
        began = said = time.monotonic()

        def features(first: int) -> Iterator[np.ndarray]:
            nonlocal said
            done = first
            say(f"Computing what the frozen part makes of {count - first:,} {what}, once (up to {self.cut})")
            for block in blocks(first):
                if is_over():
                    raise Interrupted("interrupted while computing features")
                result = run(tf.convert_to_tensor(block)).numpy()
                if dtype == np.float16:
                    result = np.clip(result, -65504, 65504)
                yield result
                done += len(block)
                if time.monotonic() - said >= SECONDS_PER_NOTE:
                    said = time.monotonic()
                    left = (said - began) / (done - first) * (count - done)
                    say(f"  {done:,} of {count:,}, about {duration(left)} left")

        description = f"{what}: {shape} after {self.cut}"
        filled = self.cache.fill(key, description, shape, dtype, self._block_images(), features)
        self.seconds += self.cache.seconds(key)
        return filled

    def _digest(self) -> str:
        """Of everything that decides the features, apart from the images."""
        known = {**environment.versions(), **environment.hardware()}
        makers = [environment.precision_in_use(), *(known[key] for key in environment.DECIDE_BITS)]
        content = hashlib.sha256(json.dumps(makers).encode())
        for layer in self.head.operations:
            config = {key: value for key, value in layer.get_config().items() if key not in ("name", "trainable")}
            content.update(json.dumps([type(layer).__name__, config], sort_keys=True, default=str).encode())
            for weight in getattr(layer, "weights", ()):
                content.update(np.ascontiguousarray(weight.numpy()).data)
        return content.hexdigest()


def _rows(features: np.memmap, rows: np.ndarray) -> Images:
    """The features of some images: in memory if they are few, else read from the disk when they are wanted."""
    if len(rows) * math.prod(features.shape[1:]) * features.itemsize <= IN_MEMORY:
        return np.asarray(features[rows])
    return ImagesOnDisk(features, rows)
