"""Gzipped IDX files, whole and damaged."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest

from kerasexp.data.readers.idx import read_idx
from kerasexp.errors import DataError

IMAGES = np.arange(60, dtype=np.uint8).reshape(5, 4, 3)


def idx(array, kind=8):
    return struct.pack(">BBBB", 0, 0, kind, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def written(folder, content):
    path = folder / "images.gz"
    path.write_bytes(gzip.compress(content))
    return path


def test_reads_shape_and_values(tmp_path):
    assert (read_idx(written(tmp_path, idx(IMAGES))) == IMAGES).all()


def test_real_file(data_dir):
    images = read_idx(data_dir / "kmnist" / "t10k-images-idx3-ubyte.gz")
    assert (images.shape, images.dtype) == ((10_000, 28, 28), np.uint8)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (idx(IMAGES)[:-1], "header says 5x4x3, so 76 bytes unpacked, found 75"),
        (idx(IMAGES) + b"\0", "found 77"),
        (idx(IMAGES, kind=13), "no IDX file of unsigned bytes: it begins with 00 00 0d 03"),
        (b"", "begins with nothing"),
        (b"\0\0\x08\xff\0\0", "damaged"),
    ],
)
def test_wrong_content(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        read_idx(written(tmp_path, content))


def test_header_larger_than_any_memory(tmp_path):
    content = struct.pack(">BBBBIII", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1)
    with pytest.raises(DataError, match="found 16"):
        read_idx(written(tmp_path, content))


def test_truncated_gzip(tmp_path):
    path = written(tmp_path, idx(IMAGES))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=f"{path} is damaged"):
        read_idx(path)


def test_no_flipped_bit_changes_an_image(tmp_path):
    whole = written(tmp_path, idx(IMAGES)).read_bytes()
    refused = 0
    for position in range(10, len(whole)):  # behind gzip's own header, which says nothing about the content
        damaged = bytearray(whole)
        damaged[position] ^= 0x10
        (tmp_path / "images.gz").write_bytes(damaged)
        try:
            images = read_idx(tmp_path / "images.gz")
        except DataError:
            refused += 1
        else:
            assert (images == IMAGES).all()  # a bit that deflate does not use
    assert refused > 0.9 * (len(whole) - 10)


def test_no_gzip(tmp_path):
    (tmp_path / "images.gz").write_bytes(idx(IMAGES))
    with pytest.raises(DataError, match="damaged: Not a gzipped file"):
        read_idx(tmp_path / "images.gz")
