"""Order and augmentation are functions of the seed, whatever else changes."""

from __future__ import annotations

import dataclasses
import types

import numpy as np
import pytest
import tensorflow as tf

from kerasexp.config.schema import Augmentation
from kerasexp.data import pipeline
from kerasexp.data.dataset import Split
from kerasexp.data.pipeline import (
    TrainingImages,
    augmented_examples,
    epoch_order,
    evaluation_batches,
    ordered_batches,
    resident_device,
)

CLASSES = 10
SHAPE = (8, 11, 1)
STATIC = Augmentation(copies=3, static=True, rotation=20.0, shift=0.2, shear=10.0, zoom=0.2, fill="nearest")
FRESH = STATIC.model_copy(update={"static": False})
PLAIN = STATIC.model_copy(update={"copies": 0})
EVERYTHING = FRESH.model_copy(
    update={
        "fill": "reflect",
        "flip": "both",
        "brightness": 0.1,
        "contrast": 0.1,
        "saturation": 0.1,
        "hue": 0.1,
        "colour_probability": 0.5,
        "cutout": 0.4,
        "elastic": 0.7,
    }
)
STILL = STATIC.model_copy(update={"rotation": 0.0, "shift": 0.0, "shear": 0.0, "zoom": 0.0})


def make_split(count: int = 700, shape: tuple[int, int, int] = SHAPE) -> Split:
    """Random images that carry their number in the first two pixels, labelled by it."""
    x = np.random.default_rng(11).integers(0, 256, (count, *shape), dtype=np.uint8)
    numbers = np.arange(count)
    x[:, 0, 0], x[:, 0, 1] = (numbers // 256)[:, None], (numbers % 256)[:, None]
    return Split(x, (numbers * 7) % CLASSES, numbers)


def training(split: Split, augmentation: Augmentation, batch_size: int = 32, seed: int = 4) -> TrainingImages:
    return TrainingImages(split, CLASSES, batch_size, seed, augmentation)


def collect(batches: tf.data.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """All images and all labels of a dataset."""
    parts = list(batches.as_numpy_iterator())
    return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])


def numbers_of(x: np.ndarray) -> np.ndarray:
    """The numbers that unchanged images carry."""
    return x[:, 0, 0, 0].astype(int) * 256 + x[:, 0, 1, 0].astype(int)


@pytest.fixture(scope="module")
def split() -> Split:
    return make_split()


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 64 images, so that a few hundred images make many blocks."""
    monkeypatch.setattr(pipeline, "BLOCK_IMAGES", 64)


class TestOrder:
    def test_is_a_permutation(self):
        np.testing.assert_array_equal(np.sort(epoch_order(1, 0, 5000)), np.arange(5000))

    def test_is_a_function_of_seed_and_epoch(self):
        np.testing.assert_array_equal(epoch_order(1, 2, 5000), epoch_order(1, 2, 5000))
        for other in (epoch_order(1, 3, 5000), epoch_order(2, 2, 5000)):
            assert np.mean(epoch_order(1, 2, 5000) == other) < 0.01

    @pytest.mark.parametrize(("augmentation", "streams"), [(FRESH, 1), (EVERYTHING, 3)], ids=["fresh", "everything"])
    def test_shares_no_seed_with_the_augmentation(self, augmentation, streams, monkeypatch):
        """All seeds of a long training are distinct."""
        seeds = []
        drawing = tf.random.stateless_uniform

        def listen(shape, seed, *args, **kwargs):
            seeds.append(tuple(map(int, seed)))
            return drawing(shape, seed, *args, **kwargs)

        monkeypatch.setattr(tf.random, "stateless_uniform", listen)
        images = training(make_split(5), augmentation)
        for epoch in range(6):
            images.epoch(epoch)
        assert len(seeds) == len(set(seeds)) == 6 * (1 + streams * augmentation.copies)

    def test_every_image_once_without_augmentation(self, split):
        x, _ = collect(training(split, PLAIN).epoch(0))
        assert x.dtype == np.uint8
        np.testing.assert_array_equal(np.sort(numbers_of(x)), np.arange(len(split)))
        np.testing.assert_array_equal(x, split.x[numbers_of(x)])

    def test_every_copy_once_with_augmentation(self, split):
        x, y = collect(training(split, STATIC).epoch(2))
        order = epoch_order(4, 2, 3 * len(split))
        assert x.dtype == np.float32
        np.testing.assert_array_equal(x, augmented_examples(split, 4, STATIC, order % len(split), order // len(split)))
        np.testing.assert_array_equal(y.argmax(axis=1), split.y[order % len(split)])
        assert len(np.unique(x.reshape(len(x), -1), axis=0)) == len(x) == 3 * len(split)


class TestSameSeed:
    @pytest.mark.parametrize("augmentation", [PLAIN, STATIC, FRESH], ids=["plain", "static", "fresh"])
    def test_two_constructions_are_equal(self, split, augmentation):
        first, second = training(split, augmentation), training(split, augmentation)
        second.epoch(0)  # what came before must not matter
        for a, b in zip(collect(first.epoch(1)), collect(second.epoch(1)), strict=True):
            np.testing.assert_array_equal(a, b)

    def test_another_seed_differs(self, split):
        orders = [numbers_of(collect(training(split, PLAIN, seed=seed).epoch(0))[0]) for seed in (4, 5)]
        assert np.mean(orders[0] == orders[1]) < 0.05
        rows, copies = np.arange(5), np.zeros(5, int)
        assert not np.array_equal(
            augmented_examples(split, 5, STATIC, rows, copies), augmented_examples(split, 4, STATIC, rows, copies)
        )

    @pytest.mark.parametrize("augmentation", [PLAIN, STATIC, FRESH], ids=["plain", "static", "fresh"])
    @pytest.mark.usefixtures("small_blocks")
    def test_starting_later_gives_the_tail(self, split, augmentation):
        images = training(split, augmentation)
        whole = list(images.epoch(1).as_numpy_iterator())
        for first_step in (0, 1, 17, images.steps_per_epoch - 1):
            tail = list(images.epoch(1, first_step).as_numpy_iterator())
            assert len(tail) == images.steps_per_epoch - first_step
            for (x, y), (x_whole, y_whole) in zip(tail, whole[first_step:], strict=True):
                np.testing.assert_array_equal(x, x_whole)
                np.testing.assert_array_equal(y, y_whole)

    def test_nothing_is_left_after_the_last_step(self, split):
        images = training(split, STATIC)
        assert list(images.epoch(0, images.steps_per_epoch)) == []

    @pytest.mark.parametrize(
        ("augmentation", "shape"),
        [(PLAIN, SHAPE), (FRESH, SHAPE), (EVERYTHING, (9, 7, 3))],
        ids=["plain", "fresh", "everything"],
    )
    def test_batch_size_blocks_and_threads_do_not_matter(self, augmentation, shape, monkeypatch):
        split = make_split(160, shape)
        expected = collect(training(split, augmentation).epoch(1))
        for batch_size, block, parallel in ((1, 64, 8), (50, 7, 1), (5000, 1, 3)):
            monkeypatch.setattr(pipeline, "BLOCK_IMAGES", block)
            monkeypatch.setattr(pipeline, "PARALLEL_BLOCKS", parallel)
            other = collect(training(split, augmentation, batch_size).epoch(1))
            for a, b in zip(other, expected, strict=True):
                np.testing.assert_array_equal(a, b)

    def test_an_epoch_can_be_repeated(self, split):
        epoch = training(split, FRESH).epoch(0)
        np.testing.assert_array_equal(collect(epoch)[0], collect(epoch)[0])


class TestCopies:
    def pictures(self, split: Split, augmentation: Augmentation, epoch: int) -> np.ndarray:
        """The images of an epoch, sorted by virtual index."""
        x, _ = collect(training(split, augmentation).epoch(epoch))
        return x[np.argsort(epoch_order(4, epoch, len(x)))]

    def test_static_copies_return_in_every_epoch(self, split):
        np.testing.assert_array_equal(self.pictures(split, STATIC, 0), self.pictures(split, STATIC, 5))

    def test_fresh_copies_are_numbered_on(self, split):
        numbers = np.arange(len(split))
        for epoch in (0, 4):
            for k, pictures in enumerate(np.split(self.pictures(split, FRESH, epoch), 3)):
                expected = augmented_examples(split, 4, FRESH, numbers, np.full(len(split), epoch * 3 + k))
                np.testing.assert_array_equal(pictures, expected)

    def test_one_copy_of_one_image_can_be_made_alone(self):
        """With colours and cutout: outside the pipeline's graph, one at a time, to the last bit."""
        split = make_split(150, (9, 7, 3))
        pictures = self.pictures(split, EVERYTHING, epoch=2)
        for position, k in ((0, 0), (149, 2), (77, 1)):
            alone = augmented_examples(split, 4, EVERYTHING, [position], [2 * 3 + k])
            np.testing.assert_array_equal(alone[0], pictures[k * 150 + position])
        every = augmented_examples(split, 4, EVERYTHING, np.tile(np.arange(150), 3), np.repeat([6, 7, 8], 150))
        np.testing.assert_array_equal(every, pictures)

    @pytest.mark.usefixtures("small_blocks")
    def test_in_order(self):
        split = make_split(150)
        static = EVERYTHING.model_copy(update={"static": True})
        batches = ordered_batches(split, CLASSES, 4, static, batch_size=40)
        x, y = collect(batches)
        np.testing.assert_array_equal(x, self.pictures(split, static, epoch=7))
        np.testing.assert_array_equal(y.argmax(axis=1), np.tile(split.y, 3))
        assert [len(x) for x, _ in batches] == [40] * 11 + [10]

    def test_originals_in_order(self, split):
        x, y = collect(ordered_batches(split, CLASSES, 4, PLAIN))
        assert x.dtype == np.float32
        np.testing.assert_array_equal(x, split.x)
        np.testing.assert_array_equal(y.argmax(axis=1), split.y)

    def test_first_epoch_is_the_same_static_or_fresh(self, split):
        np.testing.assert_array_equal(self.pictures(split, STATIC, 0), self.pictures(split, FRESH, 0))

    def test_follow_the_original_index(self, split):
        """Held-out images take nothing from the others: what remains is augmented as before."""
        kept = np.random.default_rng(0).permutation(len(split))[:300]
        expected = np.split(self.pictures(split, STATIC, 0), 3)
        for part, whole in zip(np.split(self.pictures(split.take(kept), STATIC, 0), 3), expected, strict=True):
            np.testing.assert_array_equal(part, whole[kept])


class TestBatches:
    @pytest.mark.parametrize("augmentation", [PLAIN, STILL], ids=["plain", "augmented"])
    def test_labels_belong_to_their_images(self, split, augmentation):
        """Parameters of strength 0 leave the numbers in the pixels readable."""
        x, y = collect(training(split, augmentation).epoch(3))
        assert y.dtype == np.float32
        np.testing.assert_array_equal(y, np.eye(CLASSES)[split.y[numbers_of(x)]])

    @pytest.mark.parametrize(
        ("augmentation", "dtype", "images"),
        [pytest.param(PLAIN, np.uint8, 700, id="plain"), pytest.param(STATIC, np.float32, 2100, id="static")],
    )
    def test_sizes(self, split, augmentation, dtype, images):
        source = training(split, augmentation, batch_size=64)
        epoch = source.epoch(0)
        batches = list(epoch.as_numpy_iterator())
        assert source.images_per_epoch == images
        assert source.steps_per_epoch == len(batches) == len(epoch) == -(-images // 64)
        assert [len(x) for x, _ in batches] == [64] * (images // 64) + [images % 64]
        assert {x.dtype.type for x, _ in batches} == {dtype}
        assert {x.shape[1:] for x, _ in batches} == {SHAPE}
        assert {y.shape[1:] for _, y in batches} == {(CLASSES,)}

    def test_all_epochs_have_one_type(self, split):
        """Else every epoch would trace the training step anew."""
        images = training(split, STATIC)
        assert images.epoch(0).element_spec == images.epoch(1, first_step=3).element_spec
        assert images.epoch(0).element_spec[0].shape.as_list() == [None, *SHAPE]

    def test_colour(self):
        split = make_split(40, (9, 6, 3))
        x, _ = collect(training(split, STATIC, batch_size=16).epoch(0))
        assert x.shape == (120, 9, 6, 3)
        virtual = epoch_order(4, 0, 120)[0]
        for colour in range(3):
            grey = dataclasses.replace(split, x=split.x[..., [colour]])
            alone = augmented_examples(grey, 4, STATIC, [virtual % 40], [virtual // 40])[0, ..., 0]
            np.testing.assert_array_equal(x[0, ..., colour], alone)

    def test_pixels_keep_their_range(self, split):
        x, _ = collect(training(split, STATIC).epoch(0))
        assert x.min() >= 0
        assert 250 < x.max() <= 255.001

    def test_large_images_come_in_small_blocks(self):
        split = Split(np.zeros([2, 224, 224, 3], np.uint8), np.zeros(2, np.int64), np.arange(2))
        assert pipeline._block_images(split) == 6

    @pytest.mark.parametrize("augmentation", [PLAIN, STATIC], ids=["plain", "static"])
    @pytest.mark.usefixtures("small_blocks")
    def test_memory_map_equals_array(self, split, augmentation, tmp_path):
        np.save(tmp_path / "images.npy", split.x)
        mapped = dataclasses.replace(split, x=np.load(tmp_path / "images.npy", mmap_mode="r"))
        assert isinstance(mapped.x, np.memmap)
        from_disk, from_memory = (collect(training(source, augmentation).epoch(0)) for source in (mapped, split))
        for a, b in zip(from_disk, from_memory, strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(collect(evaluation_batches(mapped, CLASSES, 64))[0], split.x)

    def test_the_next_epoch_is_not_traced_again(self, split):
        images = training(split, FRESH)
        for epoch in range(3):
            images.epoch(epoch, first_step=epoch)
        assert images._build.experimental_get_tracing_count() == 1


def test_evaluation_batches_come_in_order(split):
    batches = evaluation_batches(split, CLASSES, batch_size=300)
    for _ in range(2):
        x, y = collect(batches)
        assert x.dtype == np.uint8
        np.testing.assert_array_equal(x, split.x)
        np.testing.assert_array_equal(y, np.eye(CLASSES, dtype=np.float32)[split.y])
    assert [len(x) for x, _ in batches] == [300, 300, 100]


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 4)])
@pytest.mark.parametrize("mapped", [False, True], ids=["memory", "disk"])
def test_features_stand_in_for_images(dtype, shape, mapped, tmp_path):
    features = np.random.default_rng(2).normal(size=(90, *shape)).astype(dtype)
    if mapped:
        np.save(tmp_path / "features.npy", features)
        features = np.load(tmp_path / "features.npy", mmap_mode="r")
    split = Split(features, np.arange(90) % CLASSES, np.arange(90))
    images = training(split, PLAIN, batch_size=16)
    order = epoch_order(4, 3, 90)
    for (x, y), rows in (
        (collect(images.epoch(3)), order),
        (collect(images.epoch(3, first_step=2)), order[32:]),
        (collect(evaluation_batches(split, CLASSES, 40)), np.arange(90)),
    ):
        assert x.dtype == np.float32
        np.testing.assert_array_equal(x, features[rows])
        np.testing.assert_array_equal(y.argmax(axis=1), rows % CLASSES)
    assert images.epoch(0).element_spec[0] == tf.TensorSpec([None, *shape], tf.float32)


def test_static_copies_cost_only_their_transforms():
    """Ten copies of 20,000 images: 24 bytes each, and no array of 200,000 images."""
    split = make_split(20_000, (28, 28, 1))
    images = training(split, STATIC.model_copy(update={"copies": 10}))
    assert {name: part.shape for name, part in images._static_changes.items()} == {"transform": (200_000, 6)}
    assert images._static_changes["transform"].dtype == tf.float32
    graph = images._build.get_concrete_function().graph.as_graph_def()
    assert graph.ByteSize() < 100_000


ON_A_DEVICE = EVERYTHING.model_copy(update={"elastic": 0.0})


@pytest.mark.parametrize("augmentation", [PLAIN, STATIC, ON_A_DEVICE])
def test_images_that_a_device_keeps_are_the_same(augmentation):
    """Bit for bit where the device is the processor, which every machine has."""
    split = make_split(shape=(8, 11, 3))
    images = TrainingImages(split, CLASSES, 32, 4, augmentation, device="CPU:0")

    @tf.function
    def unpacked(iterator):
        return images.unpack(next(iterator))

    batches = images.epoch(1, first_step=3)
    assert batches.element_spec[0].shape.as_list() == [None]  # numbers alone go to the device
    iterator = iter(batches)
    parts = [unpacked(iterator) for _ in range(len(batches))]
    x, y = (np.concatenate(part) for part in zip(*parts, strict=True))
    expected_x, expected_y = collect(training(split, augmentation).epoch(1, first_step=3))
    np.testing.assert_array_equal(x, expected_x)
    np.testing.assert_array_equal(y, expected_y)


def test_features_that_a_device_keeps_are_the_same():
    features = np.random.default_rng(3).normal(size=(50, 6))
    for dtype in (np.float16, np.float32):
        split = Split(features.astype(dtype), np.arange(50) % CLASSES, np.arange(50))
        images = TrainingImages(split, CLASSES, 16, 4, PLAIN, device="CPU:0")
        x = np.concatenate([images.unpack(element)[0] for element in images.epoch(0)])
        np.testing.assert_array_equal(x, collect(training(split, PLAIN, 16).epoch(0))[0])


def test_what_a_gpu_keeps(monkeypatch):
    gpu = types.SimpleNamespace(name="/device:GPU:0")
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [gpu] if kind == "GPU" else [])
    split = make_split(20)
    assert resident_device(split, ON_A_DEVICE) == "/device:GPU:0"
    assert resident_device(split, EVERYTHING) is None  # no kernel
    assert resident_device(split, EVERYTHING.model_copy(update={"copies": 0})) == "/device:GPU:0"
    monkeypatch.setattr(pipeline, "RESIDENT_BYTES", 2 * split.x.size - 1)
    assert resident_device(split, PLAIN) is None
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [])
    assert resident_device(split, PLAIN) is None


def test_every_kernel_that_a_gpu_needs_for_it_is_registered():
    """TensorFlow's package for Linux holds the kernels for GPUs; a machine without a card can look them up."""
    kernels = pytest.importorskip("tensorflow.python.framework.kernels")

    def types_on_gpu(operation, constraint):
        found = kernels.get_registered_kernels_for_op(operation).kernel
        return {
            tf.as_dtype(kind).name
            for kernel in found
            if kernel.device_type == "GPU"
            for one in kernel.constraint
            if one.name == constraint
            for kind in one.allowed_values.list.type
        }

    if not types_on_gpu("MatMul", "T"):
        pytest.skip("this TensorFlow was built for processors alone")
    assert types_on_gpu("GatherV2", "Tparams") >= {"float16", "float32", "int64"}
    assert types_on_gpu("ImageProjectiveTransformV3", "dtype") >= {"float32"}
    for operation in ("RGBToHSV", "HSVToRGB"):
        assert types_on_gpu(operation, "T") >= {"float32"}
    assert types_on_gpu("OneHot", "T") >= {"float32"}
    assert types_on_gpu("Sum", "T") >= {"int64"}
    assert types_on_gpu("Round", "T") >= {"float32"}
