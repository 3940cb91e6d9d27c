"""The catalog agrees with itself, with the originals' publishers, and with the real files."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
from importlib import resources

import pytest
import tensorflow_datasets  # noqa: F401  (its checksum files are read below)

from kerasexp.data.catalog import CATALOG, KMNIST, find_entry
from kerasexp.data.load import READERS
from kerasexp.errors import UsageError


@pytest.mark.parametrize("entry", CATALOG.values(), ids=list(CATALOG))
def test_entry_is_consistent(entry):
    assert CATALOG[entry.name] is entry
    assert all(len(counts) == len(entry.class_names) for counts in entry.counts.values())
    assert len(entry.glyphs) in (0, len(entry.class_names))
    assert all(layout.reader == "bundled" or layout.reader in READERS for layout in entry.layouts)


def test_kmnist_classes_and_sizes():
    assert " ".join(KMNIST.class_names) == "o ki su tsu na ha ma ya re wo"
    assert "".join(KMNIST.glyphs) == "おきすつなはまやれを"
    assert KMNIST.images == {"train": 60_000, "test": 10_000}


@pytest.mark.parametrize("name", ["mnist", "kmnist"])
def test_checksums_are_those_of_tensorflow_datasets(name):
    table = (resources.files("tensorflow_datasets") / "url_checksums" / f"{name}.txt").read_text()
    published = {tuple(line.split("\t")) for line in table.splitlines()}
    ours = {(file.url, str(file.size), file.sha256, file.name) for file in CATALOG[name].layouts[0].files}
    assert ours == published


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
