"""Tensors out of real files of PyTorch, and files that want more than that."""

from __future__ import annotations

import collections
import io
import os
import pickle
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from kerasexp import files
from kerasexp.errors import DataError
from kerasexp.models.torch_files import read_state_dict

NUMBERS = Path(__file__).parent / "numbers"
FILES = ["state_dict.pth", "state_dict_old.pth"]  # zip; a stream of pickles, as before 1.6


@pytest.mark.parametrize("name", FILES)
def test_real_files(name):
    tensors = read_state_dict(NUMBERS / name)
    expected = files.read_npz(NUMBERS / "state_dict.npz")
    assert set(tensors) == set(expected)
    for key, array in tensors.items():
        assert array.dtype == expected[key].dtype
        np.testing.assert_array_equal(array, expected[key])
    assert tensors["part"].tolist()[0] == [6, 7, 8, 9]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_half_downloaded(tmp_path, name, part):
    content = (NUMBERS / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(DataError, match="damaged or no file of PyTorch"):
        read_state_dict(path)


class Call:
    """Pickles as a call of a function, which a careless reader makes."""

    def __init__(self, function, *words):
        self.call = (function, words)

    def __reduce__(self):
        return self.call


def zip_with(pickled: bytes, path: Path) -> Path:
    """The real file with another pickle in it."""
    with zipfile.ZipFile(NUMBERS / FILES[0]) as real, zipfile.ZipFile(path, "w") as archive:
        for name in real.namelist():
            archive.writestr(name, pickled if name.endswith("data.pkl") else real.read(name))
    return path


def stream_with(pickled: bytes, path: Path) -> Path:
    head = b"".join(pickle.dumps(part, protocol=2) for part in (0x1950A86A20F9469CFC6C, 1001, {}))
    path.write_bytes(head + pickled + pickle.dumps([], protocol=2))
    return path


@pytest.mark.parametrize("write", [zip_with, stream_with])
def test_nothing_in_a_pickle_is_run(tmp_path, write):
    trace = tmp_path / "ran"
    attacks = [
        Call(os.system, f"touch {trace}"),
        {"weight": Call(os.mkdir, str(trace))},
        collections.OrderedDict(weight=Call(subprocess.check_call, ["touch", str(trace)])),
        {"weight": Call(eval, f"open({str(trace)!r}, 'w')")},
        {"weight": Call(getattr, "x", "upper")},
        {"weight": np.zeros(3)},
    ]
    for attack in attacks:
        pickled = pickle.dumps(attack, protocol=2)
        with pytest.raises(DataError, match="is refused: it holds"):
            read_state_dict(write(pickled, tmp_path / "attack.pth"))
    assert not trace.exists()
    # the test can fail: a careless reader runs it
    pickle.loads(pickle.dumps(attacks[1], protocol=2))
    assert trace.exists()


def test_admitted_words_cannot_be_misused(tmp_path):
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n"
    ordered = b"ccollections\nOrderedDict\n"
    state = b"}X\x08\x00\x00\x00__call__K\x01s"
    cases = [
        tensor + state + b"b.",  # sets attributes of what names a tensor
        tensor + b"N" + state + b"\x86b.",
        ordered + b"N" + state + b"\x86b.",
        b"ctorch\nFloatStorage\n(tR.",  # calls a type
        tensor + b"(tR.",  # a tensor of nothing
        b"}X\x01\x00\x00\x00a" + tensor + b"(NNNNtRs.",
        b"}X\x01\x00\x00\x00a(X\x06\x00\x00\x00tensorNNNNts.",  # pretends to be one
        b"}K\x01" + tensor + b"(NNNNtRs.",
        b"(lp0\n.",
    ]
    for case in cases:
        with pytest.raises(DataError):
            read_state_dict(zip_with(b"\x80\x02" + case, tmp_path / "case.pth"))
    assert collections.OrderedDict(a=1) == {"a": 1}
    for name in FILES:
        assert read_state_dict(NUMBERS / name)


def changed(name: str, old: bytes, new: bytes, tmp_path: Path) -> Path:
    """The real file with one word of its pickle replaced."""
    with zipfile.ZipFile(NUMBERS / FILES[0]) as real:
        pickled = next(real.read(entry) for entry in real.namelist() if entry.endswith("data.pkl"))
    assert old in pickled
    return zip_with(pickled.replace(old, new, 1), tmp_path / name)


def test_tensors_that_do_not_lie_in_their_storage(tmp_path):
    part = b"K\x06K\x03K\x04\x86"  # offset 6, shape 3x4
    for new in (b"K\x0dK\x03K\x04\x86", b"K\x06K\x04K\x03\x86", b"K\x06J\xff\xff\xff\x7fK\x04\x86"):
        with pytest.raises(DataError, match="one piece"):
            read_state_dict(changed("part.pth", part, new, tmp_path))


def test_storages_of_another_size(tmp_path):
    path = tmp_path / "short.pth"
    with zipfile.ZipFile(NUMBERS / FILES[0]) as real, zipfile.ZipFile(path, "w") as archive:
        for name in real.namelist():
            content = real.read(name)
            archive.writestr(name, content[:-4] if name.endswith("data/0") else content)
    with pytest.raises(DataError, match="storage 0 has another size"):
        read_state_dict(path)


def test_compressed_storages_are_refused(tmp_path):
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(NUMBERS / FILES[0]) as real, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in real.namelist():
            archive.writestr(name, real.read(name))
    with pytest.raises(DataError, match="another size"):
        read_state_dict(path)


def test_other_files(tmp_path):
    (tmp_path / "page.pth").write_text("<html>404</html>")
    (tmp_path / "garbage.pth").write_bytes(np.random.default_rng(0).bytes(1000))
    with zipfile.ZipFile(tmp_path / "zip.pth", "w") as archive:
        archive.writestr("readme.txt", "no model")
    why = {"page.pth": "it is neither a whole zip", "garbage.pth": "it is neither", "zip.pth": "it has no data.pkl"}
    for name, words in why.items():
        with pytest.raises(DataError, match=f"damaged or no file of PyTorch: {words}"):
            read_state_dict(tmp_path / name)
    with tarfile.open(tmp_path / "old.pth", "w") as archive:
        archive.addfile(tarfile.TarInfo("sys_info"), io.BytesIO())
    with pytest.raises(DataError, match=r"before 0\.1\.10"):
        read_state_dict(tmp_path / "old.pth")
    with pytest.raises(DataError, match="is missing"):
        read_state_dict(tmp_path / "none.pth")


def test_a_big_endian_file_is_refused(tmp_path):
    path = tmp_path / "big.pth"
    shutil.copy(NUMBERS / FILES[0], path)
    with zipfile.ZipFile(NUMBERS / FILES[0]) as real, zipfile.ZipFile(path, "w") as archive:
        for name in real.namelist():
            archive.writestr(name, b"big" if name.endswith("byteorder") else real.read(name))
    with pytest.raises(DataError, match="big-endian"):
        read_state_dict(path)
