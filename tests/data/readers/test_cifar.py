"""The batches of CIFAR-10: the originals, damaged ones, and pickles and archives made to do harm."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import pickle
import tarfile

import numpy as np
import pytest

from kerasexp.data.catalog import CIFAR10, OriginalFile
from kerasexp.data.load import find, load_entry
from kerasexp.data.readers import cifar
from kerasexp.errors import DataError


def batch(count=4, **changes):
    """A batch as Python 3 pickles it; the originals are Python 2's."""
    data = np.random.default_rng(count).integers(0, 256, (count, 3072), dtype=np.uint8)
    content = {"data": data, "labels": [number % 10 for number in range(count)], "batch_label": b"made", **changes}
    return pickle.dumps({key.encode(): value for key, value in content.items() if value is not None}, protocol=4)


@pytest.fixture
def archive(tmp_path):
    """Makes a `.tar.gz` of members, each a name and content, or a `TarInfo`."""

    def make(*members):
        path = tmp_path / "cifar-10-python.tar.gz"
        with tarfile.open(path, "w:gz", compresslevel=1) as tar:
            for member in members:
                if isinstance(member, tarfile.TarInfo):
                    tar.addfile(member)
                else:
                    name, content = member
                    info = tarfile.TarInfo(name)
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
        return path

    return make


def whole():
    return [(f"cifar-10-batches-py/{name}", batch(n + 1)) for n, name in enumerate(cifar.BATCHES)]


def test_real_batches(data_dir):
    dataset = load_entry(CIFAR10, data_dir, offline=True)
    assert dataset.train.x.shape == (50_000, 32, 32, 3)
    assert dataset.train.x.flags.c_contiguous
    assert dataset.train.x[0, 0, 0].tolist() == [59, 62, 63]  # the first pixel of the first frog, as Keras shows it
    assert dataset.train.y[:4].tolist() == [6, 9, 9, 4]
    assert (dataset.remarks, dataset.notes) == ((), ())
    assert "SHA-256 verified" in dataset.source


def test_real_labels_have_the_digests_of_the_catalog(data_dir):
    dataset = load_entry(CIFAR10, data_dir, offline=True)
    for part, split in (("train", dataset.train), ("test", dataset.test)):
        assert hashlib.sha256(split.y.astype(np.uint8).tobytes()).hexdigest() == CIFAR10.label_digests[part]


def test_batches_directly_in_the_data_folder(data_dir, tmp_path):
    (tmp_path / "cifar-10-batches-py").symlink_to(data_dir / "cifar10" / "cifar-10-batches-py")
    assert find(CIFAR10, tmp_path).place == tmp_path


def test_channels_lie_one_after_the_other():
    row = np.concatenate([np.full(1024, level, np.uint8) for level in (1, 2, 3)])
    row[1] = 77  # second pixel of the first row, red
    x, y = cifar.read_batch(batch(1, data=row[None]), "made")
    assert x[0, 0, :2].tolist() == [[1, 2, 3], [77, 2, 3]]
    assert y.tolist() == [0]


class Harm:
    """Unpickled by `pickle.load`, this makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", range(6))
def test_malicious_pickle_runs_nothing(tmp_path, protocol):
    victim = tmp_path / "harm"
    content = pickle.dumps({"data": Harm(victim), "labels": [1]}, protocol)
    with pytest.raises(DataError, match=r"data_batch_1 is refused: it asks for (posix|os|nt)\.mkdir"):
        cifar.read_batch(content, "data_batch_1")
    assert not victim.exists()
    pickle.loads(content)
    assert victim.exists()  # so the pickle was a real one


@pytest.mark.parametrize(
    "content",
    [
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cnumpy\nload\n(S'/etc/passwd'\ntR.",
        b"cnumpy.core.multiarray\nfromfile\n(S'/etc/passwd'\ntR.",
        b"(S'/etc/passwd'\niposix\nremove\n.",
        b"\x80\x02\x82\x01.",  # an extension code
        b"P123\n.",  # a persistent id
        b"cnumpy\nndarray\n}b.",  # state for the class itself
    ],
)
def test_other_requests_are_refused(content):
    with pytest.raises(DataError, match="made is refused"):
        cifar.read_batch(content, "made")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is refused"),
        (b"no pickle", "is refused"),
        (batch()[:2000], "is refused"),
        (pickle.dumps([1, 2]), "no images"),
        (batch(data=None), "no images"),
        (batch(data=np.zeros((4, 99), np.uint8)), "no images"),
        (batch(data=np.zeros((4, 3072), np.float32)), "type .*f4"),
        (batch(data=np.array([{}], object)), "type .*O8"),
        (batch(labels=[1, 2]), "no labels"),
        (batch(labels=["a"] * 4), "no labels"),
        (batch(labels=None), "no labels"),
    ],
)
def test_unfit_batches(content, message):
    with pytest.raises(DataError, match=message):
        cifar.read_batch(content, "made")


def test_archive_is_read_without_unpacking(archive, tmp_path):
    path = archive(*whole(), ("cifar-10-batches-py/batches.meta", b"Harm"), ("cifar-10-batches-py/readme.html", b"x"))
    arrays = cifar.read_archive([path])
    assert arrays["train"][0].shape == (1 + 2 + 3 + 4 + 5, 32, 32, 3)
    assert arrays["test"][1].tolist() == [0, 1, 2, 3, 4, 5]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "cifar-10-batches-py/../../evil"])
def test_archive_with_a_path_that_climbs_out(archive, tmp_path, name):
    with pytest.raises(DataError, match="would lead out of the archive"):
        cifar.read_archive([archive(*whole(), (name, b"x"))])
    assert not list(tmp_path.parent.glob("**/evil"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_archive_with_a_link_or_device(archive, kind):
    member = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
    member.type, member.linkname = kind, "/etc/passwd"
    with pytest.raises(DataError, match="is a link or a device"):
        cifar.read_archive([archive(member, *whole()[1:])])


def test_archive_cut_short_or_incomplete(archive):
    with pytest.raises(DataError, match="lacks data_batch_5, test_batch"):
        cifar.read_archive([archive(*whole()[:4])])
    path = archive(*whole())
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(DataError, match="is damaged"):
        cifar.read_archive([path])


def test_altered_archive_is_refused_by_its_checksum(archive, tmp_path):
    path = archive(*whole())
    with pytest.raises(DataError, match="is truncated: expected 170,498,071 bytes"):
        load_entry(CIFAR10, tmp_path, offline=True)
    layout = CIFAR10.layouts[1]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    file = OriginalFile(path.name, "http://example.org", path.stat().st_size, digest)
    counts = {"train": (5, 4, 3, 2, 1), "test": (1,) * 6}
    tiny = dataclasses.replace(
        CIFAR10, layouts=(dataclasses.replace(layout, files=(file,)),), class_names=tuple("abcdef"), counts=counts
    )
    with pytest.raises(DataError, match=r"the train part has no image of class f"):
        load_entry(tiny, tmp_path, offline=True)  # read, and judged like every other data set
