"""TensorFlow Datasets: really prepared folders, the real download code, and networks that refuse."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import http.server
import io
import json
import shutil
import tarfile
import threading
import zipfile

import numpy as np
import pytest
from PIL import Image

from kerasexp.data.catalog import CIFAR10, EUROSAT, KMNIST, MNIST, Entry, Folders, Layout, OriginalFile
from kerasexp.data.images import read_image
from kerasexp.data.load import load_entry
from kerasexp.data.readers import tfds as reader
from kerasexp.errors import DataError

COUNTS = {"train": (20, 30), "test": (5, 10)}
LABELS = {part: np.random.default_rng(7).permutation(np.repeat([0, 1], counts)) for part, counts in COUNTS.items()}
IMAGES = {part: np.random.default_rng(8).integers(0, 256, (len(y), 6, 5, 1), np.uint8) for part, y in LABELS.items()}
TINY = Entry(
    name="tiny",
    title="made for tests",
    class_names=("a", "b"),
    image_shape=(6, 5, 1),
    counts=COUNTS,
    licence="",
    citation="",
    home="",
    layouts=(Layout("npz", (OriginalFile("tiny.npz", "http://example.invalid/tiny.npz"),)),),
    tfds="tiny_in_tfds",
    label_digests={part: hashlib.sha256(y.astype(np.uint8).tobytes()).hexdigest() for part, y in LABELS.items()},
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A data folder in which TFDS itself prepared `tiny_in_tfds`, shuffled as it shuffles MNIST: by numbers as keys."""
    import tensorflow_datasets as tfds

    class TinyInTfds(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.10.0")

        def _info(self):
            features = {"image": tfds.features.Image(shape=(6, 5, 1)), "label": tfds.features.ClassLabel(num_classes=2)}
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

        def _split_generators(self, dl_manager):
            return {part: self._generate_examples(part) for part in LABELS}

        def _generate_examples(self, part):
            for number, (image, label) in enumerate(zip(IMAGES[part], LABELS[part], strict=True)):
                yield number, {"image": image, "label": label}

    folder = tmp_path_factory.mktemp("tfds")
    TinyInTfds(data_dir=folder).download_and_prepare()
    return folder


@pytest.fixture
def no_network(monkeypatch):
    """Every request goes to a port on which nobody listens, whatever network this machine has."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def no_tfds_of_the_user(monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "none"))


def test_newest_version_is_found(tmp_path, monkeypatch):
    assert reader.find_prepared(TINY, tmp_path) is None
    for version in ("1.9.0", "1.10.0", "2.0.0.incomplete"):
        (tmp_path / "tiny_in_tfds" / version).mkdir(parents=True)
        (tmp_path / "tiny_in_tfds" / version / "dataset_info.json").touch()
    assert reader.find_prepared(TINY, tmp_path) == tmp_path / "tiny_in_tfds" / "1.10.0"
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert reader.find_prepared(TINY, tmp_path / "elsewhere") == tmp_path / "tiny_in_tfds" / "1.10.0"


def test_prepared_folder_gives_the_original_order(prepared, no_network):
    dataset = load_entry(TINY, prepared)
    for split, part in ((dataset.train, "train"), (dataset.test, "test")):
        assert (split.x == IMAGES[part]).all()
        assert (split.y == LABELS[part]).all()
    assert (dataset.remarks, dataset.notes) == ((), ())
    assert str(prepared / "tiny_in_tfds" / "1.10.0") in dataset.source


def test_unknown_order_is_kept_and_said(prepared):
    dataset = load_entry(dataclasses.replace(TINY, label_digests={}), prepared)
    assert not (dataset.train.x == IMAGES["train"]).all()
    assert sorted(map(bytes, dataset.train.x)) == sorted(map(bytes, IMAGES["train"]))
    assert dataset.notes == ("images in the order of TensorFlow Datasets, not in the original order",)


def test_other_counts_than_the_catalog(prepared):
    with pytest.raises(DataError, match="not the complete tiny, but 50 instead of 60 train images"):
        load_entry(dataclasses.replace(TINY, counts={"train": (30, 30), "test": (5, 10)}), prepared)


def test_damaged_records(prepared, tmp_path):
    folder = tmp_path / "tiny_in_tfds" / "1.10.0"
    folder.mkdir(parents=True)
    for path in (prepared / "tiny_in_tfds" / "1.10.0").iterdir():
        content = bytearray(path.read_bytes())
        if "train" in path.name:
            content[len(content) // 2] ^= 1
        (folder / path.name).write_bytes(content)
    with pytest.raises(DataError, match=f"{folder} is damaged.*Remove {folder}"):
        load_entry(TINY, tmp_path)


def test_damaged_description(tmp_path):
    folder = tmp_path / "tiny_in_tfds" / "1.10.0"
    folder.mkdir(parents=True)
    (folder / "dataset_info.json").write_text("{")
    with pytest.raises(DataError, match=f"{folder} is damaged"):
        load_entry(TINY, tmp_path)


def test_refused_network_names_what_to_put_where(tmp_path, no_network):
    with pytest.raises(DataError) as caught:
        load_entry(KMNIST, tmp_path)
    message = str(caught.value)
    assert f"Put into {tmp_path / 'kmnist'}: train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-" in message
    assert "no network" in message
    assert list(tmp_path.iterdir()) == []


class Server(http.server.BaseHTTPRequestHandler):
    """Says that everything is there, and then does not give it."""

    def do_HEAD(self):
        self.send_response(200)
        self.end_headers()

    def do_GET(self):
        self.send_error(503)

    def log_message(self, *args):
        pass


@pytest.fixture
def empty_server(no_network, monkeypatch):
    """A network that answers, and gives nothing."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_port}")
    yield
    server.shutdown()
    thread.join()
    server.server_close()


def test_failed_download(tmp_path, empty_server):
    with pytest.raises(DataError, match=r"TensorFlow Datasets could not fetch kmnist: .*503"):
        load_entry(KMNIST, tmp_path)


CLASSES = ("AnnualCrop", "Forest")
ORCHARD = dataclasses.replace(
    TINY,
    name="orchard",
    class_names=CLASSES,
    image_shape=(9, 8, 3),
    counts={"train": (12, 12), "test": (3, 3)},
    layouts=(),
    folders=Folders(parts=(), places=("orchard",), url=""),
    tfds="orchard_in_tfds",
)


def jpegs(place, count):
    """Class folders of noisy JPEGs, which two decoders would not read alike."""
    generator = np.random.default_rng(0)
    for name in CLASSES:
        (place / name).mkdir(parents=True)
        for number in range(1, count + 1):
            pixels = generator.integers(0, 256, (9, 8, 3), np.uint8)
            Image.fromarray(pixels).save(place / name / f"{name}_{number}.jpg")
    return place


def prepare_pictures(folder, named, parts):
    """Lets TFDS itself prepare picture files, as it does EuroSAT's (with names) and those of beans (without)."""
    import tensorflow_datasets as tfds

    class OrchardInTfds(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("2.0.0")

        def _info(self):
            features = {
                "image": tfds.features.Image(shape=(9, 8, 3)),
                "label": tfds.features.ClassLabel(names=CLASSES),
            }
            if named:
                features["filename"] = tfds.features.Text()
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

        def _split_generators(self, dl_manager):
            return {part: self._generate_examples(place) for part, place in parts.items()}

        def _generate_examples(self, place):
            for path in place.glob("*/*"):
                record = {"image": path, "label": path.parent.name}
                yield path.name, {**record, "filename": path.name} if named else record

    OrchardInTfds(data_dir=folder).download_and_prepare()


def test_prepared_pictures_are_those_of_the_class_folders(tmp_path):
    prepare_pictures(tmp_path / "prepared", True, {"train": jpegs(tmp_path / "folders" / "orchard", 15)})
    ours = load_entry(ORCHARD, tmp_path / "folders", image_size=5)
    theirs = load_entry(ORCHARD, tmp_path / "prepared", image_size=5)
    assert theirs.digest() == ours.digest()
    assert theirs.remarks == ours.remarks == ()
    assert theirs.notes == ours.notes[:2]  # class folders have no checksums
    assert "6 images drawn for testing" in theirs.notes[0]


def test_prepared_pictures_without_names(tmp_path):
    parts = {part: jpegs(tmp_path / part, count) for part, count in (("train", 12), ("test", 3))}
    prepare_pictures(tmp_path / "prepared", False, parts)
    entry = dataclasses.replace(ORCHARD, folders=dataclasses.replace(ORCHARD.folders, parts=("train", "test")))
    dataset = load_entry(entry, tmp_path / "prepared")
    assert dataset.notes == ("images in the order of TensorFlow Datasets, not in the original order",)
    assert dataset.train.y.tolist() == [0] * 12 + [1] * 12
    pictures = {read_image(path, 3).tobytes() for path in (tmp_path / "train").glob("*/*")}
    assert {image.tobytes() for image in dataset.train.x} == pictures


def test_prepared_pictures_of_other_classes(tmp_path):
    prepare_pictures(tmp_path / "prepared", True, {"train": jpegs(tmp_path / "folders", 3)})
    with pytest.raises(DataError, match="has the classes AnnualCrop, Forest, not those of orchard"):
        load_entry(dataclasses.replace(ORCHARD, class_names=("a", "b")), tmp_path / "prepared")


def test_files_for_tfds_need_no_network(tmp_path):
    """What is there is prepared offline too: here TFDS gets as far as to see that the file is another."""
    (tmp_path / "eurosat").mkdir()
    (tmp_path / "eurosat" / "EuroSAT.zip").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"could not fetch eurosat: .*EuroSAT.zip.*wrong"):
        load_entry(EUROSAT, tmp_path, offline=True)


def put_download(folder, name, file, content):
    """A download as TFDS keeps it, which it takes without looking at the content."""
    from tensorflow_datasets.core.download import resource

    path = folder / "downloads" / name / resource.get_dl_fname(file.url, file.sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.with_name(path.name + ".INFO").write_text(json.dumps({"dataset_names": [name], "urls": [file.url]}))


@pytest.mark.slow
def test_eurosat_prepared_by_tfds_is_that_of_its_class_folders(tmp_path, data_dir, empty_server):
    counts = {"train": (4,) * 10, "test": (1,) * 10}
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        for name in EUROSAT.class_names:
            (tmp_path / "folders" / "eurosat" / name).mkdir(parents=True)
            for path in sorted((data_dir / "eurosat" / name).iterdir())[:5]:
                archive.write(path, f"2750/{name}/{path.name}")
                shutil.copy(path, tmp_path / "folders" / "eurosat" / name)
    put_download(tmp_path / "tfds", "eurosat", EUROSAT.tfds_files[0], zipped.getvalue())
    entry = dataclasses.replace(EUROSAT, counts=counts)
    prepared = load_entry(entry, tmp_path / "tfds")
    assert prepared.digest() == load_entry(entry, tmp_path / "folders").digest()
    assert prepared.remarks == ()


@pytest.mark.slow
def test_cifar10_prepared_by_tfds_is_that_of_its_batches(tmp_path, data_dir, no_network):
    """TFDS stores the images shuffled; the labels' digests bring them back in order."""
    import tensorflow_datasets as tfds

    batches = load_entry(CIFAR10, data_dir, offline=True)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:

        def add(name, content):
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))

        for number in range(6):
            split = batches.test if number == 5 else batches.train
            rows = slice(0, 10_000) if number == 5 else slice(10_000 * number, 10_000 * (number + 1))
            pixels = split.x[rows].transpose(0, 3, 1, 2).reshape(10_000, -1)
            name = "test_batch.bin" if number == 5 else f"data_batch_{number + 1}.bin"
            add(name, np.concatenate([split.y[rows, None].astype(np.uint8), pixels], axis=1).tobytes())
        add("batches.meta.txt", "\n".join(CIFAR10.class_names).encode())
    put_download(tmp_path, "cifar10", CIFAR10.tfds_files[0], packed.getvalue())
    tfds.builder("cifar10", data_dir=tmp_path).download_and_prepare()
    prepared = load_entry(CIFAR10, tmp_path)
    assert prepared.digest() == batches.digest()
    assert (prepared.remarks, prepared.notes) == ((), ())


@pytest.mark.slow
def test_original_files_prepared_by_tfds_give_the_same_data(tmp_path, data_dir, no_network):
    """TFDS takes the originals from the data folder; what it prepares reads back equal to the originals."""
    (tmp_path / "mnist").symlink_to(data_dir / "mnist")
    originals = load_entry(MNIST, tmp_path)
    (tmp_path / "mnist").unlink()
    (tmp_path / "mnist").mkdir()
    for path in (data_dir / "mnist").iterdir():
        (tmp_path / "mnist" / path.name).symlink_to(path)
    reader.download(MNIST, tmp_path)
    arrays, ordered = reader.read(reader.find_prepared(MNIST, tmp_path), MNIST)
    assert ordered
    assert (arrays["train"][0] == originals.train.x).all()
    assert (arrays["test"][1] == originals.test.y).all()


@pytest.mark.slow
def test_download_into_an_empty_folder(tmp_path, empty_server):
    """The whole line: TFDS finds its downloads complete (made-up pictures), prepares them, and they load as KMNIST."""
    from tensorflow_datasets.core.download import resource

    labels = {"train": np.arange(60_000) % 10, "t10k": np.arange(10_000) % 10}
    downloads = tmp_path / "downloads" / "kmnist"
    downloads.mkdir(parents=True)
    for file in KMNIST.layouts[0].files:
        part = file.name.split("-")[0]
        if "labels" in file.name:
            content = bytes(8) + labels[part].astype(np.uint8).tobytes()
        else:
            pictures = np.zeros((len(labels[part]), 28, 28), np.uint8)
            pictures[:, 0, 0] = labels[part]
            content = bytes(16) + pictures.tobytes()
        path = downloads / resource.get_dl_fname(file.url, file.sha256)
        path.write_bytes(gzip.compress(content, 1))
        path.with_name(path.name + ".INFO").write_text(json.dumps({"dataset_names": ["kmnist"], "urls": [file.url]}))
    dataset = load_entry(KMNIST, tmp_path)
    assert (dataset.train.x[:, 0, 0, 0] == dataset.train.y).all()
    assert dataset.image_shape == (28, 28, 1)
    assert "TensorFlow Datasets" in dataset.notes[0]
