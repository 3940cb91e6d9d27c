"""Arrays that cannot be trained on are refused with their reason; others become uint8 and int64 unharmed."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from kerasexp import environment
from kerasexp.data.catalog import OriginalFile
from kerasexp.data.checks import checked_splits, require_memory, verify_original
from kerasexp.errors import DataError
from kerasexp.files import file_digest

NAMES = ("a", "b")


def levels(shape=(4, 3, 3)):
    return np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)


def check(x=None, y=None, test_x=None, names=NAMES):
    x = levels() if x is None else x
    y = np.array([0, 1, 0, 1]) if y is None else y
    test_x = levels((2, *x.shape[1:])).astype(x.dtype) if test_x is None else test_x
    return checked_splits({"train": (x, y), "test": (test_x, np.array([0, 1]))}, names, "DATA")


def test_plain_images_pass_uncopied():
    x = levels()
    train = check(x)["train"]
    assert train.x.shape == (4, 3, 3, 1)
    assert np.shares_memory(train.x, x)
    assert (train.y.dtype, train.y.tolist(), train.index.tolist()) == (np.int64, [0, 1, 0, 1], [0, 1, 2, 3])


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.int64, np.float32, np.float64])
def test_levels_of_any_number_type(dtype):
    x = levels() * 7
    assert (check(x.astype(dtype), test_x=levels((2, 3, 3)).astype(dtype))["train"].x[..., 0] == x).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_unit_floats_become_the_levels_they_came_from(dtype):
    every = np.arange(256, dtype=np.uint8).reshape(4, 8, 8)
    splits = check((every / 255).astype(dtype), test_x=(every[:2] / 255).astype(dtype))
    assert (splits["train"].x[..., 0] == every).all()
    assert (splits["test"].x[..., 0] == every[:2]).all()


def test_column_of_labels():
    assert check(y=np.array([[0], [1], [0], [1]], np.uint8))["train"].y.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((4, 784), np.uint8), r"shape \[4, 784\]"),
        (np.zeros((4, 3, 28, 28), np.uint8), "1 or 3 channels"),
        (np.zeros((0, 28, 28), np.uint8), "empty"),
        (np.full((4, 3, 3), 256), "to 256"),
        (np.full((4, 3, 3), -0.5), "run from -0.5"),
        (np.full((4, 3, 3), np.nan), "nan"),
        (np.full((4, 3, 3), 0.123), "no whole grey levels"),
        (np.full((4, 3, 3), 17.5), "no whole grey levels"),
        (np.full((4, 3, 3), True), "dtype bool"),
        (np.full((4, 3, 3), "x"), "dtype <U1"),
        (np.full((4, 3, 3), 1j), "dtype complex"),
    ],
)
def test_bad_images(x, message):
    with pytest.raises(DataError, match=message):
        check(x, test_x=x[:2])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 1, 2, 1], r"train labels of DATA hold 2 \(1 such labels\). Expected 0 to 1"),
        ([0, 1, -1, 1], "hold -1"),
        ([0.0, 1.0, 0.0, 1.0], r"dtype float64\. Expected one integer per image\.$"),
        (["a", "b", "a", "b"], "dtype <U1"),
        (
            [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]],
            r"shape \[4, 2\]\. Expected one integer per image\. One-hot labels: give argmax\(axis=1\)\.$",
        ),
        ([0, 1, 0], "3 train labels of DATA for 4 images"),
        ([0, 0, 0, 0], "no image of class b"),
    ],
)
def test_bad_labels(y, message):
    with pytest.raises(DataError, match=message):
        check(y=np.array(y))


@pytest.mark.parametrize(("names", "found"), [(("a",), r"one class only \(a\)"), ((), "no labels")])
def test_fewer_than_two_classes(names, found):
    with pytest.raises(DataError, match=f"DATA has {found}. Classification needs at least two classes"):
        check(y=np.zeros(4, int), names=names)


def test_parts_of_different_shape():
    with pytest.raises(DataError, match="train 3x3x1, test 3x4x1"):
        check(test_x=levels((2, 3, 4)))


def test_no_float_copy_of_all_images():
    x = np.zeros((20_000, 28, 28), np.float32)
    y = np.arange(20_000) % 2
    tracemalloc.start()
    try:
        checked_splits({"train": (x, y), "test": (x[:2], y[:2])}, NAMES, "DATA")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * x.size  # bytes: the uint8 result, and blocks; a float copy alone would be 4 to 8 times x.size


@pytest.fixture
def original(tmp_path):
    path = tmp_path / "images.gz"
    path.write_bytes(bytes(range(200)))
    return path, OriginalFile("images.gz", "http://example.org/images.gz", 200, file_digest(path))


def test_original_passes(original):
    verify_original(*original)


def test_truncated_original_is_named(original):
    path, file = original
    path.write_bytes(path.read_bytes()[:150])
    with pytest.raises(
        DataError, match=rf"{path} is truncated: expected 200 bytes, found 150\. .*fetch .*example\.org"
    ):
        verify_original(path, file)


def test_flipped_bit_is_found(original):
    path, file = original
    content = bytearray(path.read_bytes())
    content[77] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"{path} is altered: expected SHA-256 {file.sha256}, found "):
        verify_original(path, file)


def test_memory_that_no_machine_has():
    with pytest.raises(DataError, match=r"it would take 1,000,000.0 GB in memory; there is .* here\. Do less"):
        require_memory(10**15, "it", "Do less.")


def test_memory_that_the_container_does_not_give(monkeypatch):
    texts = {"/sys/fs/cgroup/memory.max": "1000000000\n"}
    monkeypatch.setattr(environment, "_read", lambda path: texts.get(path, ""))
    require_memory(10**9, "it", "Do less.")
    with pytest.raises(DataError, match=r"it would take 1\.1 GB in memory; there is 1\.0 GB here"):
        require_memory(11 * 10**8, "it", "Do less.")
