"""Names and paths to data sets: what is found where, what is comparable, what is refused."""

from __future__ import annotations

import dataclasses
import gzip
import shutil
import struct

import numpy as np
import pytest
from PIL import Image

from kerasexp.data.catalog import ALIEN_VS_PREDATOR, BEANS, EUROSAT, KMNIST, MNIST
from kerasexp.data.load import data_folder, find, load_dataset, load_entry
from kerasexp.data.splits import stratified
from kerasexp.errors import DataError, UsageError


@pytest.fixture(autouse=True)
def empty_home(monkeypatch, tmp_path):
    """No data of this machine's user."""
    monkeypatch.delenv("KERASEXP_DATA_DIR", raising=False)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "no_tfds"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def kmnist_pairs(tmp_path):
    """KMNIST's four .npz files with its counts and made-up pictures (the label is the first pixel)."""
    for part, count in (("train", 60_000), ("test", 10_000)):
        labels = (np.arange(count) % 10).astype(np.uint8)
        pictures = np.zeros((count, 28, 28), np.uint8)
        pictures[:, 0, 0] = labels
        np.savez(tmp_path / f"kmnist-{part}-imgs.npz", pictures)
        np.savez(tmp_path / f"kmnist-{part}-labels.npz", labels)
    return tmp_path


def archive(path, count=20, **extra):
    y = np.arange(count) % 2
    x = np.zeros((count, 8, 8), np.uint8)
    np.savez(path, x_train=x, y_train=y, x_test=x[:4], y_test=y[:4], **extra)
    return path


def class_folders(place, names, count, size=(28, 28)):
    for number, name in enumerate(names):
        (place / name).mkdir(parents=True)
        for n in range(count):
            Image.new("L", size, number).save(place / name / f"{n}.png")


def test_data_folder_in_order(tmp_path, monkeypatch):
    assert data_folder() == tmp_path / "cache" / "kerasexp" / "data"
    monkeypatch.setenv("KERASEXP_DATA_DIR", str(tmp_path / "set"))
    assert data_folder() == tmp_path / "set"
    assert data_folder(tmp_path) == tmp_path
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is a file. Expected a folder"):
        data_folder(tmp_path / "file")


def test_bundled_digits():
    dataset = load_dataset("mnist5k", offline=True)
    assert dataset.train.x.shape == (4000, 28, 28, 1)
    assert dataset.test.x.shape == (1000, 28, 28, 1)
    assert (dataset.train.x.dtype, dataset.train.y.dtype) == (np.uint8, np.int64)
    assert dataset.train.x.max() == 255
    assert "bundled subset of MNIST" in dataset.remarks[0]
    assert len({*dataset.train.index, *dataset.test.index}) == 5000
    assert dataset.digest() == "0bddde53b375cded"  # the split must never change: results of years hang on it


def test_real_mnist_is_complete(data_dir):
    dataset = load_dataset("mnist", data_dir, offline=True)
    assert dataset.train.x.shape == (60_000, 28, 28, 1)
    assert tuple(np.bincount(dataset.train.y)) == MNIST.counts["train"]
    assert (dataset.remarks, dataset.notes) == ((), ())
    assert dataset.train.index[-1] == 59_999


def test_real_kmnist_without_training_images(data_dir):
    with pytest.raises(DataError) as caught:
        load_dataset("kmnist", data_dir, offline=True)
    message = str(caught.value)
    assert f"{data_dir / 'kmnist'} lacks train-images-idx3-ubyte.gz (from http" in message
    assert "train-labels" not in message
    assert "the network was not used" in message


def test_real_part_of_kmnist_is_not_comparable(data_dir):
    dataset = load_dataset(data_dir / "kmnist_first7011.npz", offline=True)
    assert (len(dataset.train), len(dataset.test)) == (7011, 10_000)
    assert dataset.class_names == tuple("0123456789")
    assert "not a catalog data set" in dataset.remarks[0]


@pytest.mark.parametrize("damage", ["truncated", "altered"])
def test_damaged_original_is_refused_by_name(data_dir, tmp_path, damage):
    for path in (data_dir / "kmnist").iterdir():
        shutil.copyfile(path, tmp_path / path.name)
    (tmp_path / "kmnist").mkdir()
    for path in tmp_path.glob("*.gz"):
        path.rename(tmp_path / "kmnist" / path.name)
    victim = tmp_path / "kmnist" / "t10k-labels-idx1-ubyte.gz"
    content = bytearray(victim.read_bytes())
    if damage == "truncated":
        del content[-100:]
    else:
        content[2000] ^= 4
    victim.write_bytes(content)
    with pytest.raises(DataError, match=f"{victim} is {damage}: expected .* found .* fetch the original: http"):
        load_dataset("kmnist", tmp_path)  # refused before anything is fetched for the missing file


def test_keras_archive_with_another_checksum(tmp_path):
    archive(tmp_path / "mnist.npz")
    with pytest.raises(DataError, match=r"mnist.npz is truncated: expected 11,490,434 bytes"):
        load_dataset("mnist", tmp_path, offline=True)


def test_kmnist_pairs_in_the_data_folder_itself(kmnist_pairs):
    dataset = load_dataset("kmnist", kmnist_pairs, offline=True)
    assert dataset.train.x.shape == (60_000, 28, 28, 1)
    assert dataset.class_names == KMNIST.class_names
    assert dataset.remarks == ()
    assert "no checksums" in dataset.notes[0]


def test_kmnist_pairs_with_other_counts(kmnist_pairs):
    np.savez(
        kmnist_pairs / "kmnist-train-labels.npz", np.repeat(np.arange(10, dtype=np.uint8), [5999, 6001] + [6000] * 8)
    )
    with pytest.raises(DataError, match=r"not the complete kmnist, but train images per class \[5999, 6001"):
        load_dataset("kmnist", kmnist_pairs, offline=True)


def test_kmnist_pairs_with_a_wrong_label(kmnist_pairs):
    labels = (np.arange(10_000) % 10).astype(np.uint8)
    labels[17] = 10
    np.savez(kmnist_pairs / "kmnist-test-labels.npz", labels)
    with pytest.raises(DataError, match="test labels of .* hold 10"):
        load_dataset("kmnist", kmnist_pairs, offline=True)


def test_idx_files_of_another_shape(tmp_path):
    """Damage that keeps the checksum is impossible, so the size check alone must catch what is no original."""
    (tmp_path / "mnist").mkdir()
    for file in MNIST.layouts[0].files:
        content = struct.pack(">BBBBI", 0, 0, 8, 1, 3) + b"\0\1\2"
        (tmp_path / "mnist" / file.name).write_bytes(gzip.compress(content))
    with pytest.raises(DataError, match="train-images-idx3-ubyte.gz is truncated"):
        load_dataset("mnist", tmp_path, offline=True)


def test_class_folders_of_a_catalog_name_run_and_are_marked(tmp_path):
    class_folders(tmp_path / "kmnist" / "train", KMNIST.class_names, 3)
    class_folders(tmp_path / "kmnist" / "test", KMNIST.class_names, 2)
    dataset = load_dataset("kmnist", tmp_path, offline=True)
    assert dataset.class_names == KMNIST.class_names
    assert (dataset.train.x[:, 0, 0, 0] == dataset.train.y).all()
    assert any("30 instead of 60,000 train images" in remark for remark in dataset.remarks)
    assert any("altered copy" in note for note in dataset.notes)
    assert find(KMNIST, tmp_path).how == "class folders"


def test_class_folders_without_a_test_part_are_marked(tmp_path):
    class_folders(tmp_path / "mnist", MNIST.class_names, 10, size=(14, 14))
    remarks = load_dataset("mnist", tmp_path, offline=True).remarks
    assert remarks[0] == "test images of our own split"
    assert any("images of 14x14x1 instead of 28x28x1" in remark for remark in remarks)


def test_real_beans_resized_before(data_dir):
    dataset = load_dataset("beans", data_dir, offline=True)
    assert dataset.train.x.shape == (1034, 224, 224, 3)
    assert np.bincount(dataset.validation.y).tolist() == [44, 45, 44]
    assert dataset.remarks == ()
    assert dataset.notes[-1] == "altered copy: images resized before (224x224 instead of 500x500)"
    assert not any("resized to" in note for note in dataset.notes)


def test_real_alien_vs_predator_needs_a_size(data_dir):
    with pytest.raises(DataError, match=r"different sizes: .*--set data.image_size"):
        load_dataset("alien_vs_predator", data_dir, offline=True)
    dataset = load_dataset("alien_vs_predator", data_dir, offline=True, image_size=32)
    assert (dataset.train.x.shape, dataset.test.x.shape) == ((694, 32, 32, 3), (200, 32, 32, 3))
    assert dataset.remarks == ()
    assert "no test folder: the validation folder serves as test set" in dataset.notes


def test_real_part_of_eurosat_is_not_comparable(data_dir):
    dataset = load_dataset("eurosat", data_dir, offline=True)
    assert dataset.train.x.shape == (4000, 64, 64, 3)
    assert np.bincount(dataset.test.y).tolist() == [100] * 10
    assert "4,000 instead of 21,600 train images" in dataset.remarks[0]
    assert not any("our own split" in remark for remark in dataset.remarks)


# A hundredth of EuroSAT and a few beans, complete by a catalog of their own.
LITTLE_EUROSAT = dataclasses.replace(
    EUROSAT, counts={part: tuple(count // 100 for count in counts) for part, counts in EUROSAT.counts.items()}
)
FEW_BEANS = dataclasses.replace(BEANS, counts={"train": (6, 5, 4), "validation": (2, 1, 2), "test": (1, 3, 1)})


def eurosat(place, size):
    totals = [sum(counts) for counts in zip(*LITTLE_EUROSAT.counts.values(), strict=True)]
    for label, (name, total) in enumerate(zip(EUROSAT.class_names, totals, strict=True)):
        (place / name).mkdir(parents=True)
        for number in range(1, total + 1):
            Image.new("RGB", size, (label, number, 0)).save(place / name / f"{name}_{number}.jpg", "PNG")


@pytest.mark.parametrize("size", [(64, 64), (8, 8)])
def test_whole_eurosat_is_comparable(tmp_path, size):
    eurosat(tmp_path / "eurosat" / "2750", size)
    dataset = load_entry(LITTLE_EUROSAT, tmp_path, offline=True)
    assert dataset.remarks == ()
    assert "54 images drawn for testing" in dataset.notes[0]
    assert any("8x8 instead of 64x64" in note for note in dataset.notes) == (size == (8, 8))
    assert (dataset.train.x[:, 0, 0, 0] == dataset.train.y).all()


def test_split_of_eurosat():
    """The sizes that the study logged: a fifth for testing, a tenth of the rest for validation."""
    totals = [sum(counts) for counts in zip(*EUROSAT.counts.values(), strict=True)]
    labels = np.repeat(np.arange(10), totals)
    kept, test = stratified(labels, 0.2, seed=0)
    train, validation = stratified(labels[kept], 0.1, seed=42)
    assert (len(train), len(validation), len(test)) == (19_440, 2_160, 5_400)
    assert tuple(np.bincount(labels[test])) == EUROSAT.counts["test"]


@pytest.mark.parametrize("place", ["eurosat", "eurosat/2750", "2750", "EuroSAT_RGB"])
def test_places_of_eurosat(tmp_path, place):
    (tmp_path / place / "SeaLake").mkdir(parents=True)
    assert find(EUROSAT, tmp_path).place == tmp_path / place


@pytest.mark.parametrize("place", ["alien_vs_predator", "alien-vs-predator"])
def test_places_of_alien_vs_predator(tmp_path, place):
    class_folders(tmp_path / place / "train", ALIEN_VS_PREDATOR.class_names, 3)
    class_folders(tmp_path / place / "validation", ALIEN_VS_PREDATOR.class_names, 2)
    dataset = load_dataset("alien_vs_predator", tmp_path, offline=True)
    assert (len(dataset.train), len(dataset.test), dataset.validation) == (6, 4, None)
    assert "6 instead of 694 train images" in dataset.remarks[0]


def beans(place, size=(8, 8)):
    for part, counts in FEW_BEANS.counts.items():
        for name, count in zip(FEW_BEANS.class_names, counts, strict=True):
            (place / part / name).mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", size, "green").save(place / part / name / f"{number}.jpg")
    return place


def test_whole_beans_are_comparable(tmp_path):
    beans(tmp_path / "beans", (500, 500))
    dataset = load_entry(FEW_BEANS, tmp_path, offline=True, image_size=16)
    assert dataset.remarks == ()
    assert not any("altered" in note for note in dataset.notes)
    assert "images resized to 16x16" in dataset.notes


def test_beans_without_validation_folder_are_marked(tmp_path):
    shutil.rmtree(beans(tmp_path / "beans") / "validation")
    assert load_entry(FEW_BEANS, tmp_path, offline=True).remarks == (
        "other images than those of beans: 0 instead of 5 validation images",
    )


def test_one_bean_more_is_marked(tmp_path):
    path = beans(tmp_path / "beans") / "test" / "healthy"
    shutil.copy(path / "0.jpg", path / "more.jpg")
    assert "6 instead of 5 test images" in load_entry(FEW_BEANS, tmp_path, offline=True).remarks[0]


def test_beans_of_mixed_sizes_and_modes(tmp_path):
    path = beans(tmp_path / "beans") / "train" / "healthy" / "0.jpg"
    path.unlink()
    Image.new("P", (9, 7)).save(path, "PNG")
    with pytest.raises(DataError, match=r"train/healthy/0.jpg is 9x7"):
        load_entry(FEW_BEANS, tmp_path, offline=True)
    dataset = load_entry(FEW_BEANS, tmp_path, offline=True, image_size=8)
    assert dataset.train.x.shape == (15, 8, 8, 3)
    assert "altered copy: images resized before (different sizes instead of 500x500)" in dataset.notes


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda place: (place / "train" / "healthy" / "notes.txt").write_text("x"), "notes.txt is no picture"),
        (lambda place: (place / "train" / "healthy" / "more").mkdir(), "more is a folder inside the class folder"),
        (lambda place: shutil.rmtree(place / "test" / "healthy"), "test lacks the class folders healthy"),
        (lambda place: (place / "test" / "rotten").mkdir(), "unknown class folders rotten"),
        (lambda place: (place / "more").mkdir(), "nothing else beside them"),
        (
            lambda place: [
                shutil.rmtree(place / part / name) for part in FEW_BEANS.counts for name in FEW_BEANS.class_names[1:]
            ],
            "lacks the class folders bean_rust, healthy",
        ),
    ],
)
def test_damaged_folders_of_the_catalog(tmp_path, damage, message):
    damage(beans(tmp_path / "beans"))
    with pytest.raises(DataError, match=message):
        load_entry(FEW_BEANS, tmp_path, offline=True)


def test_stray_files_of_operating_systems_do_no_harm(tmp_path):
    place = beans(tmp_path / "beans")
    (place / "train" / "healthy" / ".DS_Store").write_text("x")
    (place / "__MACOSX").mkdir()
    (place / "train.zip").write_text("beside the folders")
    assert load_entry(FEW_BEANS, tmp_path, offline=True).remarks == ()


def test_what_to_put_where(tmp_path):
    for name, message in {
        "beans": f"Put into {tmp_path}/beans: the folders train and validation and test, each with the class fol",
        "eurosat": f"Put into {tmp_path}/eurosat: class folders AnnualCrop, Forest.*phelber.*the network was not used",
        "alien_vs_predator": "each with the class folders alien, predator .from https://www.kaggle.com",
        "cifar10": f"Put into {tmp_path}/cifar10: cifar-10-python.tar.gz .from https://www.cs.toronto.edu/~kriz/",
    }.items():
        with pytest.raises(DataError, match=message):
            load_dataset(name, tmp_path, offline=True)
    with pytest.raises(DataError, match="Not fetched: TensorFlow Datasets does not have it"):
        load_dataset("alien_vs_predator", tmp_path)


def test_folder_by_path(tmp_path, monkeypatch):
    class_folders(tmp_path / "pets" / "train", ["cat", "dog"], 3)
    class_folders(tmp_path / "pets" / "test", ["cat", "dog"], 2)
    dataset = load_dataset(tmp_path / "pets")
    assert (dataset.name, dataset.class_names, len(dataset.train), len(dataset.test)) == ("pets", ("cat", "dog"), 6, 4)
    assert len(dataset.remarks) == 1
    monkeypatch.chdir(tmp_path / "pets")
    assert load_dataset(".").name == "pets"


def test_archive_by_path(tmp_path):
    dataset = load_dataset(archive(tmp_path / "pets.npz", class_names=np.array(["cat", "dog"])))
    assert (dataset.name, dataset.class_names, dataset.image_shape) == ("pets", ("cat", "dog"), (8, 8, 1))


def test_resizing_an_archive(tmp_path):
    dataset = load_dataset(archive(tmp_path / "pets.npz"), image_size=12)
    assert dataset.test.x.shape == (4, 12, 12, 1)
    assert dataset.notes == ("images resized to 12x12",)


def test_resizing_beyond_the_memory(tmp_path):
    path = archive(tmp_path / "pets.npz")
    with pytest.raises(DataError, match=r"pets resized would take 24,000.0 GB in memory.*image_size=64"):
        load_dataset(path, image_size=1_000_000)


def test_words_that_are_no_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UsageError, match='Did you mean "kmnist"'):
        load_dataset("kmist")
    with pytest.raises(DataError, match="pets.npz is missing"):
        load_dataset("./data/pets.npz")
    with pytest.raises(DataError, match="pets.npz is missing"):
        load_dataset("pets.npz")
    with pytest.raises(UsageError, match="notes.txt is no data set"):
        load_dataset("notes.txt")
