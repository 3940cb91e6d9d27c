"""NumPy archives, whole and unfit."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from kerasexp.data.readers.npz import read_archive, read_pairs
from kerasexp.errors import DataError

X, Y = np.zeros((4, 3, 3), np.uint8), np.array([0, 1, 0, 1])


def archive(folder, **arrays):
    path = folder / "data.npz"
    np.savez_compressed(path, **{"x_train": X, "y_train": Y, "x_test": X, "y_test": Y, **arrays})
    return path


def test_numbers_name_the_classes(tmp_path):
    arrays, names = read_archive(archive(tmp_path))
    assert names == ("0", "1")
    assert (arrays["test"][1] == Y).all()


def test_names_in_the_archive(tmp_path):
    assert read_archive(archive(tmp_path, class_names=np.array(["cat", "dog"])))[1] == ("cat", "dog")


@pytest.mark.parametrize("names", [np.array(["cat", "cat"]), np.array([1, 2]), np.array([["cat", "dog"]])])
def test_useless_names(tmp_path, names):
    with pytest.raises(DataError, match="class_names must be an array of different names"):
        read_archive(archive(tmp_path, class_names=names))


def test_pickled_objects_are_refused(tmp_path):
    class Trap:
        def __reduce__(self):
            return open, (str(tmp_path / "sprung"), "w")

    path = archive(tmp_path, x_train=np.array([Trap()], object))
    with pytest.raises(DataError, match="pickled Python objects, which are never loaded"):
        read_archive(path)
    assert not (tmp_path / "sprung").exists()


def test_missing_arrays_are_named(tmp_path):
    np.savez(tmp_path / "data.npz", images=X, y_train=Y)
    with pytest.raises(DataError, match="lacks x_train, x_test, y_test; it holds images, y_train"):
        read_archive(tmp_path / "data.npz")


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99])
def test_truncated(tmp_path, keep):
    path = archive(tmp_path)
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[: keep if isinstance(keep, int) else int(keep * size)])
    with pytest.raises(DataError, match=str(path)):
        read_archive(path)


def test_flipped_bit(tmp_path):
    path = archive(tmp_path, x_train=np.random.default_rng(0).integers(0, 256, (50, 9, 9), dtype=np.uint8))
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        read_archive(path)


def test_bomb_is_refused_before_it_unpacks(tmp_path):
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w") as file:
        for number in range(1000):
            file.writestr(f"{number}.npy", b"")
    parts = path.read_bytes().split(b"PK\x01\x02")  # the entries of the directory; the unpacked size lies at byte 20
    huge = (2**32 - 2).to_bytes(4, "little")
    path.write_bytes(b"PK\x01\x02".join([parts[0], *(part[:20] + huge + part[24:] for part in parts[1:])]))
    with pytest.raises(DataError, match=r"bomb.npz unpacked would take 4,295.0 GB in memory"):
        read_archive(path)


def header(shape):
    """A `.npy` file without its data."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.getvalue()


def zipped(content):
    """An archive whose one array has this content."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x_train.npy", content)
    return file.getvalue()


def directory(content, place, value):
    """A zip file with two other bytes in the first entry of its directory."""
    start = content.index(b"PK\x01\x02") + place
    return content[:start] + value + content[start + 2 :]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda whole: header((5,)) + bytes(5), "is refused: it is no .npz archive. Expected an archive"),
        (lambda whole: directory(whole, 0, b"XX"), "is damaged and cannot be read"),
        (lambda whole: directory(whole, 10, b"\x63\x00"), "is damaged .*compression method"),
        (lambda whole: zipped(header((10**15,))), "does not fit into the memory"),
    ],
)
def test_other_unreadable_files(tmp_path, damage, message):
    path = tmp_path / "data.npz"
    np.savez(path, x_train=X, y_train=Y, x_test=X, y_test=Y)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=f"{path} .*{message}"):
        read_archive(path)


def test_pairs(tmp_path):
    paths = [tmp_path / f"{number}.npz" for number in range(4)]
    for path, array in zip(paths, (X, Y, X[:2], Y[:2]), strict=True):
        np.savez_compressed(path, array)
    arrays = read_pairs(paths)
    assert arrays["train"][0].shape == (4, 3, 3)
    assert arrays["test"][1].tolist() == [0, 1]
    np.savez(paths[1], labels=Y)
    with pytest.raises(DataError, match="holds labels. Expected one array named arr_0"):
        read_pairs(paths)
