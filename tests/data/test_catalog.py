"""The catalog agrees with itself, with the originals' publishers, and with the real files."""

from __future__ import annotations

import gzip
import hashlib
import inspect
import subprocess
import sys
from importlib import resources

import pytest
import tensorflow_datasets  # noqa: F401  (its checksum files are read below)
from keras.datasets import cifar10

from kerasexp.data.catalog import CATALOG, KMNIST, find_entry
from kerasexp.data.load import READERS
from kerasexp.errors import UsageError
from kerasexp.files import file_digest


@pytest.mark.parametrize("entry", CATALOG.values(), ids=list(CATALOG))
def test_entry_is_consistent(entry):
    assert CATALOG[entry.name] is entry
    assert all(len(counts) == len(entry.class_names) for counts in entry.counts.values())
    assert len(entry.glyphs) in (0, len(entry.class_names))
    assert all(layout.reader == "bundled" or layout.reader in READERS for layout in entry.layouts)
    assert entry.layouts or entry.folders
    assert bool(entry.tfds) == bool(entry.tfds_files)


def test_kmnist_classes_and_sizes():
    assert " ".join(KMNIST.class_names) == "o ki su tsu na ha ma ya re wo"
    assert "".join(KMNIST.glyphs) == "おきすつなはまやれを"
    assert KMNIST.images == {"train": 60_000, "test": 10_000}


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("mnist", "url_checksums/mnist.txt"),
        ("kmnist", "url_checksums/kmnist.txt"),
        ("cifar10", "url_checksums/cifar10.txt"),
        ("eurosat", "url_checksums/eurosat.txt"),
        ("beans", "datasets/beans/checksums.tsv"),
    ],
)
def test_checksums_are_those_of_tensorflow_datasets(name, table):
    lines = (resources.files("tensorflow_datasets") / table).read_text().splitlines()
    published = {tuple(line.split("\t")) for line in lines if "allBands" not in line}
    ours = {(file.url, str(file.size), file.sha256, file.name) for file in CATALOG[name].tfds_files}
    assert ours == published


def test_archive_of_cifar10_is_the_one_that_keras_fetches():
    source = inspect.getsource(cifar10.load_data)
    assert CATALOG["cifar10"].layouts[1].files[0].sha256 in source


def test_batches_of_cifar10_are_those_of_their_publisher(data_dir):
    """The MD5 that the publisher (and torchvision) gives for each batch; the catalog holds the SHA-256 of the same."""
    published = {
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
    }
    for file in CATALOG["cifar10"].layouts[0].files:
        path = data_dir / "cifar10" / file.name
        assert file_digest(path, "md5") == published[path.name]
        assert (file_digest(path), path.stat().st_size) == (file.sha256, file.size)


def test_counts_of_the_studies():
    images = {name: CATALOG[name].images for name in ("cifar10", "eurosat", "beans", "alien_vs_predator")}
    assert images == {
        "cifar10": {"train": 50_000, "test": 10_000},
        "eurosat": {"train": 21_600, "test": 5_400},
        "beans": {"train": 1034, "validation": 133, "test": 128},
        "alien_vs_predator": {"train": 694, "test": 200},
    }


@pytest.mark.parametrize("name", ["mnist", "kmnist"])
def test_label_digests_are_those_of_the_original_files(name, data_dir):
    for part, file in (("train", "train-labels-idx1-ubyte.gz"), ("test", "t10k-labels-idx1-ubyte.gz")):
        labels = gzip.decompress((data_dir / name / file).read_bytes())[8:]
        assert hashlib.sha256(labels).hexdigest() == CATALOG[name].label_digests[part]


def test_unknown_name_gets_the_nearest():
    with pytest.raises(UsageError, match='Did you mean "kmnist"'):
        find_entry("kminst")


def test_import_is_light():
    code = "import sys, kerasexp.data.catalog; print('numpy' in sys.modules, 'tensorflow' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.split() == ["False", "False"]
