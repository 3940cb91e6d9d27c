"""What feeds the training: order = f(seed, epoch), augmentation = f(seed, copy, image), nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kerasexp.config.schema import Augmentation
from kerasexp.data.augmentation import augment, changes_of, draw_changes
from kerasexp.data.dataset import Split, is_in_memory
from kerasexp.data.sharing import Sharing
from kerasexp.environment import cores

# Images are augmented in blocks and cut into batches afterwards: per call, the resampling costs as much as dozens of
# images. A block is large enough to hide that and small enough for the processor's cache.
BLOCK_IMAGES = 1024
BLOCK_BYTES = 4 * 2**20
PARALLEL_BLOCKS = min(8, cores())
RESIDENT_BYTES = 2**30  # of training images that a GPU keeps: MNIST's take 94 MB there, CIFAR-10's 307 MB


def epoch_order(seed: int, epoch: int, length: int) -> np.ndarray:
    """The order of an epoch: a permutation of `0..length-1`, a pure function of seed and epoch.

    Args:
        seed: of the run, from 0.
        epoch: from 0.
        length: of the epoch, in images.

    Returns:
        int64 array `[length]`.
    """
    # The second seed word keeps the random streams apart: augmented copies take 0, 1, 2, ..., orders -1, -2, -3, ...
    with tf.device("CPU"):
        keys = tf.random.stateless_uniform([length], [seed, -1 - epoch], None, None, tf.int64, alg="philox").numpy()
    return np.argsort(keys, kind="stable")


class TrainingImages:
    """The training images of a run, one epoch after the other.

    An epoch holds every virtual image `0..n * copies - 1` once, in an order of its own; virtual image v is augmented
    copy `v // n` of image `v % n`. The originals are not among them; `copies=0` means the originals alone. What an
    epoch holds depends on seed and epoch: not on the batch size, the number of threads, the epochs before, or the step
    it starts from. Images stay uint8 in memory, and each augmented copy is made when its turn comes. Features of a
    frozen network, arrays of any shape, can stand in for images where nothing is augmented.

    Example:

    >>> images = TrainingImages(dataset.train, 10, batch_size=128, seed=42, augmentation=experiment.augmentation)
    >>> for element in images.epoch(0):
    ...     x, y = images.unpack(element)

    Args:
        split: the images, uint8, or features, float16 or float32; a `np.memmap` is read from disk, block by block.
        classes: width of the one-hot labels.
        batch_size: images per step; the last batch of an epoch may be smaller.
        seed: from 0.
        augmentation: how many copies, how strongly changed, and whether every epoch has the same.
        sharing: where several replicas share each batch, which part of it is read here; None: all of it.
        device: where all images are kept, gathered and augmented, as `resident_device` gives it; by default they stay
            with the processor, which hands over finished batches.

    Attributes:
        images_per_epoch: number of images in an epoch, copies counted.
        steps_per_epoch: number of batches in an epoch.
    """

    def __init__(
        self,
        split: Split,
        classes: int,
        batch_size: int,
        seed: int,
        augmentation: Augmentation,
        sharing: Sharing | None = None,
        device: str | None = None,
    ) -> None:
        self.split = split
        self.sharing = sharing
        self.device = device
        self.batch_size = batch_size
        self.seed = seed
        self.augmentation = augmentation
        self.images_per_epoch = len(split) * max(1, augmentation.copies)
        self.steps_per_epoch = math.ceil(self.images_per_epoch / batch_size)
        self._read = _reader(split, classes, device)
        self._names = changes_of(augmentation, split.x.shape[-1]) if augmentation.copies else {}
        self._static_changes = self._draw_changes(0) if augmentation.static else None
        # Traced once: an epoch hands in its order and its changes, which costs about a millisecond.
        specs = {name: tf.TensorSpec([None, width], tf.float32) for name, width in self._names.items()}
        self._build = tf.function(
            self._batches, input_signature=[tf.TensorSpec([None], tf.int64), specs], autograph=False
        )

    def epoch(self, epoch: int, first_step: int = 0) -> tf.data.Dataset:
        """The batches of an epoch.

        Args:
            epoch: from 0.
            first_step: how many batches to leave out, for a training that goes on in the middle of an epoch.

        Returns:
            A dataset of `steps_per_epoch - first_step` batches `(x, y)`: x `[b, height, width, channels]` with values 0
            to 255, uint8 without augmentation and float32 with it, or float32 features `[b, ...]`; y float32 one-hot
            `[b, classes]`. With `sharing`, elements `((x, y), size)`: the images read here, and how many the batch has
            in all, int64. With a `device`, the numbers that `unpack` makes x and y from.
        """
        order = epoch_order(self.seed, epoch, self.images_per_epoch)[first_step * self.batch_size :]
        if self.sharing is not None:
            part, counts, sizes = self.sharing.part_of(order, self.batch_size)
            with tf.device("CPU"):
                batches = self._batches(tf.convert_to_tensor(part), self._changes(epoch), counts)
                return _as_written(tf.data.Dataset.zip(batches, tf.data.Dataset.from_tensor_slices(sizes)))
        with tf.device("CPU"):
            return self._build(tf.convert_to_tensor(order), self._changes(epoch))

    def unpack(self, element: Any) -> Any:
        """The images and labels `(x, y)` of an element of `epoch`; for use inside the compiled step.

        With a `device` they are gathered and augmented there, so that nothing but their numbers crosses the bus.
        """
        if self.device is None:
            return element
        with tf.device(self.device):
            return self._images(*element)

    def _images(self, positions: tf.Tensor, changes: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        x, y = self._read(positions)
        return (augment(x, changes, self.augmentation) if self.augmentation.copies else x), y

    def _changes(self, epoch: int) -> dict[str, tf.Tensor]:
        return self._draw_changes(epoch) if self._static_changes is None else self._static_changes

    def _draw_changes(self, epoch: int) -> dict[str, tf.Tensor]:
        """What is done to the virtual images of an epoch: by name, float32 `[n * copies, width]`."""
        copies, rows = self.augmentation.copies, len(self.split)
        first = 0 if self.augmentation.static else epoch * copies
        changes = {name: np.empty([copies, rows, width], np.float32) for name, width in self._names.items()}
        for k in range(copies):
            drawn = draw_changes(self.seed, first + k, self.split.index, self.augmentation, self.split.x.shape[1:])
            for name, part in drawn.items():
                changes[name][k] = part
        with tf.device("CPU"):
            return {name: tf.convert_to_tensor(part.reshape(-1, part.shape[-1])) for name, part in changes.items()}

    def _batches(
        self, order: tf.Tensor, changes: dict[str, tf.Tensor], counts: np.ndarray | None = None
    ) -> tf.data.Dataset:
        """The images of an order, in batches of `batch_size` or of `counts`, one after the other."""
        block = _block_images(self.split)

        @tf.autograph.experimental.do_not_convert  # there is nothing to convert, and looking for it takes a second
        def read_block(start: tf.Tensor) -> tuple[tf.Tensor, Any]:
            virtual = order[start : start + block]
            positions = virtual % len(self.split)
            drawn = {name: tf.gather(part, virtual) for name, part in changes.items()}
            return self._images(positions, drawn) if self.device is None else (positions, drawn)

        length = tf.size(order, tf.int64)
        starts = tf.data.Dataset.range(0, length, block)
        blocks = starts.map(read_block, num_parallel_calls=PARALLEL_BLOCKS, deterministic=True)
        steps = -(-length // self.batch_size) if counts is None else len(counts)
        sizes = self.batch_size if counts is None else counts
        batches = blocks.rebatch(sizes).apply(tf.data.experimental.assert_cardinality(steps))
        return _as_written(batches.prefetch(2))


def resident_device(split: Split, augmentation: Augmentation) -> str | None:
    """The GPU that can keep all images of a split, and augment them, by its name; None if there is none.

    Not where they take more than `RESIDENT_BYTES`, or are warped elastically: that gathers single bytes, for which
    TensorFlow has no kernel on a GPU.
    """
    gpus = tf.config.list_logical_devices("GPU")
    small = is_in_memory(split.x) and math.prod(split.x.shape) * _kept_as(split.x.dtype).itemsize <= RESIDENT_BYTES
    return gpus[0].name if gpus and small and not (augmentation.copies and augmentation.elastic) else None


def ordered_batches(
    split: Split, classes: int, seed: int, augmentation: Augmentation, batch_size: int = 32
) -> tf.data.Dataset:
    """The virtual images of a first epoch in the order `0..n * max(1, copies) - 1`: for what is computed once per copy.

    Args:
        split: the images; a `np.memmap` is read from disk, block by block.
        classes: width of the one-hot labels.
        seed: of the run, from 0.
        augmentation: how many copies, and how strongly changed; `copies=0` gives the originals.
        batch_size: the last batch may be smaller.

    Returns:
        A dataset of batches `(x, y)`: x float32 `[b, height, width, channels]`, values 0 to 255, bit for bit as
        `TrainingImages` trains on them; y float32 one-hot `[b, classes]`. It can be iterated again and again.
    """
    images = TrainingImages(split, classes, batch_size, seed, augmentation)
    with tf.device("CPU"):
        batches = images._batches(tf.range(images.images_per_epoch, dtype=tf.int64), images._changes(0))
        return _as_written(batches.map(lambda x, y: (tf.cast(x, tf.float32), y)))


def evaluation_batches(split: Split, classes: int, batch_size: int = 1000) -> tf.data.Dataset:
    """The images of a split, unchanged and in order.

    Args:
        split: the images, uint8, or features, float16 or float32; a `np.memmap` is read from disk, batch by batch.
        classes: width of the one-hot labels.
        batch_size: the last batch may be smaller.

    Returns:
        A dataset of batches `(x, y)`: x uint8 `[b, height, width, channels]` or float32 features `[b, ...]`, y float32
        one-hot `[b, classes]`. It can be iterated again and again.
    """
    read = _reader(split, classes)
    with tf.device("CPU"):
        starts = tf.data.Dataset.range(0, len(split), batch_size)
        batches = starts.map(lambda start: read(tf.range(start, tf.minimum(start + batch_size, len(split)))))
        return _as_written(batches.prefetch(2))


def augmented_examples(
    split: Split, seed: int, augmentation: Augmentation, positions: npt.ArrayLike, copies: npt.ArrayLike
) -> np.ndarray:
    """Single augmented images, as a training with this seed sees them.

    Args:
        split: the images.
        seed: of the run.
        augmentation: how strongly the copies are changed.
        positions: `[k]`, which images, as positions in `split`.
        copies: `[k]`, which copy of each.

    Returns:
        float32 array `[k, height, width, channels]`, values 0 to 255.
    """
    rows, numbers = np.asarray(positions), np.asarray(copies)
    shape = split.x.shape[1:]
    names = changes_of(augmentation, shape[-1])
    changes = {name: np.empty([len(rows), width], np.float32) for name, width in names.items()}
    for number in np.unique(numbers):
        wanted = numbers == number
        drawn = draw_changes(seed, int(number), split.index[rows[wanted]], augmentation, shape)
        for name, part in drawn.items():
            changes[name][wanted] = part
    examples = np.empty([len(rows), *shape], np.float32)
    block = _block_images(split)
    with tf.device("CPU"):
        for start in range(0, len(rows), block):
            some = slice(start, start + block)
            images = tf.constant(split.x[rows[some]])
            drawn = {name: tf.constant(part[some]) for name, part in changes.items()}
            examples[some] = augment(images, drawn, augmentation).numpy()
    return examples


def _reader(
    split: Split, classes: int, device: str | None = None
) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """A function for use in a graph, from positions `[b]` to images (or features) and one-hot labels."""
    kept = split.x if device is None else np.asarray(split.x, _kept_as(split.x.dtype))
    with tf.device(device or "CPU"):
        labels = tf.constant(split.y)
        images = tf.constant(kept) if is_in_memory(split.x) else None
    dtype = tf.as_dtype(kept.dtype)

    def from_memory(positions: tf.Tensor) -> tf.Tensor:
        return tf.gather(images, positions)

    def from_disk(positions: tf.Tensor) -> tf.Tensor:
        x = tf.numpy_function(split.x.__getitem__, [positions], dtype, stateful=False)
        return tf.ensure_shape(x, [None, *split.x.shape[1:]])

    def read(positions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        x = from_memory(positions) if images is not None else from_disk(positions)
        if dtype == tf.float16:  # how features, and a GPU's images, are kept, not how they are computed with
            x = tf.cast(x, tf.float32)
        return x, tf.one_hot(tf.gather(labels, positions), classes)

    return read


def _kept_as(dtype: np.dtype) -> np.dtype:
    """How a GPU keeps images: TensorFlow cannot gather bytes there, and 16 bits hold 0 to 255 exactly."""
    return np.dtype(np.float16) if dtype == np.uint8 else dtype


def _block_images(split: Split) -> int:
    """How many images a block holds: fewer where images are large."""
    image_bytes = 4 * math.prod(split.x.shape[1:])
    return max(1, min(BLOCK_IMAGES, BLOCK_BYTES // image_bytes))


def _as_written(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The dataset without tf.data's rewriting and tuning: there is nothing to gain, and each epoch would pay for it."""
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False
    options.autotune.enabled = False
    return dataset.with_options(options)
