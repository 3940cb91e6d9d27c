"""Sets too large for the memory are decoded into a file once, and a full disk gives one clear message."""

from __future__ import annotations

import errno
import os
import resource
import subprocess

import numpy as np
import pytest
from PIL import Image

from kerasexp import environment
from kerasexp.config.loading import load_experiment
from kerasexp.data.cache import image_cache
from kerasexp.data.dataset import Dataset, ImagesOnDisk, Split
from kerasexp.data.pipeline import TrainingImages, evaluation_batches
from kerasexp.data.readers import folder, pictures
from kerasexp.data.splits import hold_out
from kerasexp.errors import DataError


@pytest.fixture
def large(tmp_path, monkeypatch):
    """A folder whose images at 32x32 count as too large for the memory."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(pictures, "IN_MEMORY", 50_000)
    generator = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(20):
            pixels = generator.integers(0, 256, (12, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pets" / name / f"{number}.png")
    return tmp_path / "pets"


def kept():
    return sorted(image_cache().iterdir()) if image_cache().exists() else []


def test_file_holds_what_the_memory_would(large, monkeypatch):
    on_disk = folder.read(large, 32).arrays
    assert isinstance(on_disk["train"][0], np.memmap)
    assert len(kept()) == 1
    monkeypatch.setattr(pictures, "IN_MEMORY", 10**9)
    in_memory = folder.read(large, 32).arrays
    assert not isinstance(in_memory["train"][0], np.memmap)
    for part in ("train", "test"):
        assert (on_disk[part][0] == in_memory[part][0]).all()


def test_the_least_recently_used_file_makes_room(large, monkeypatch):
    monkeypatch.setenv("KERASEXP_CACHE_GB", "0.0003")  # 300 kB: two files of 40 images at 32x32x3
    folder.read(large, 32)
    [first] = kept()
    folder.read(large, 33)
    second = (set(kept()) - {first}).pop()
    os.utime(second, (1, 1))
    folder.read(large, 34)
    assert first in kept()
    assert second not in kept()
    assert len(kept()) == 2


def test_what_is_larger_than_the_bound_stays_in_memory(large, monkeypatch):
    monkeypatch.setenv("KERASEXP_CACHE_GB", "0")
    assert not isinstance(folder.read(large, 32).arrays["train"][0], np.memmap)
    assert kept() == []
    monkeypatch.setattr(environment, "memory", lambda: 10_000)
    with pytest.raises(DataError, match=r"decoded images would take .* in memory.*KERASEXP_CACHE_GB"):
        folder.read(large, 32)


def test_what_another_process_is_writing_makes_no_room(large, monkeypatch):
    monkeypatch.setenv("KERASEXP_CACHE_GB", "0.00015")  # 150 kB: one file of 40 images at 32x32x3
    folder.read(large, 32)
    [first] = kept()
    unfinished = image_cache() / ".0a1b.4711.part.npy"
    unfinished.write_bytes(bytes(100_000))
    folder.read(large, 33)
    assert unfinished in kept()
    assert first not in kept()
    os.utime(unfinished, (1, 1))  # nothing was written to it for long: its process is gone
    folder.read(large, 34)
    assert unfinished not in kept()


def test_file_is_used_again_until_a_picture_changes(large, monkeypatch):
    folder.read(large, 32)
    [path] = kept()
    os.utime(path, (1, 1))
    monkeypatch.setattr(pictures, "read_image", None)  # nothing may be decoded
    folder.read(large, 32)
    assert kept() == [path]
    assert path.stat().st_mtime > 1  # its last use
    monkeypatch.undo()


def test_file_in_a_read_only_cache_is_used(large, monkeypatch):
    expected = np.array(folder.read(large, 32).arrays["train"][0])

    def refused(path):
        raise OSError(errno.EROFS, "Read-only file system", path)

    monkeypatch.setattr(os, "utime", refused)  # root is not refused by file modes
    assert (folder.read(large, 32).arrays["train"][0] == expected).all()


def test_changed_picture_makes_a_new_file(large):
    before = folder.read(large, 32).arrays["train"][0]
    for path in (large / "cat").iterdir():
        Image.new("RGB", (12, 12), "red").save(path)
    after = folder.read(large, 32).arrays["train"][0]
    assert len(kept()) == 2
    assert after[0, 0, 0].tolist() == [255, 0, 0] != before[0, 0, 0].tolist()


def test_other_size_or_resizing_makes_a_new_file(large):
    folder.read(large, 32)
    folder.read(large, 40)
    folder.read(large, 32, antialias=False)
    assert len(kept()) == 3


def test_damaged_file_is_written_anew(large):
    expected = np.array(folder.read(large, 32).arrays["train"][0])
    [path] = kept()
    path.write_bytes(path.read_bytes()[:1000])
    assert (folder.read(large, 32).arrays["train"][0] == expected).all()


def test_damaged_picture_leaves_no_file(large):
    (large / "dog" / "7.png").write_bytes((large / "dog" / "7.png").read_bytes()[:200])
    with pytest.raises(DataError, match=r"dog/7.png is damaged"):
        folder.read(large, 32)
    assert kept() == []


def test_full_disk_while_writing(large):
    """A limit on the size of files, as a full disk or a quota sets it, met in the middle of the write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, before[1]))
    try:
        with pytest.raises(DataError, match=r"cannot be kept in .*images: the disk is full\. Make room there"):
            folder.read(large, 32)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert kept() == []
    assert len(folder.read(large, 32).arrays["train"][1]) == 32  # and with room again, it goes on


def test_really_full_disk(large, monkeypatch, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"needs to mount a small disk: {mounted.stderr.strip()}")
    try:
        monkeypatch.setenv("XDG_CACHE_HOME", str(disk))
        with pytest.raises(DataError, match="the disk is full"):
            folder.read(large, 32)
    finally:
        subprocess.run(["umount", disk], check=True)


def test_folder_that_cannot_be_made(large, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"cannot be kept in .*file/kerasexp/images: Not a directory"):
        folder.read(large, 32)


def test_training_on_images_on_disk_sees_the_same_batches(large, monkeypatch):
    def batches():
        x, y = folder.read(large, 32).arrays["train"]
        split = Split(x, y, np.arange(len(y))).take(np.arange(0, 32, 2))
        augmentation = load_experiment("kmnist_cnn", augment=2).augmentation
        images = TrainingImages(split, 2, batch_size=5, seed=1, augmentation=augmentation)
        plain = evaluation_batches(split, 2, batch_size=7)
        return type(split.x), [x.numpy() for x, _ in images.epoch(1)], [x.numpy() for x, _ in plain]

    on_disk = batches()
    monkeypatch.setattr(pictures, "IN_MEMORY", 10**9)
    in_memory = batches()
    assert (on_disk[0], in_memory[0]) == (ImagesOnDisk, np.ndarray)
    for ours, theirs in zip(on_disk[1:], in_memory[1:], strict=True):
        assert all((a == b).all() for a, b in zip(ours, theirs, strict=True))


def test_split_of_images_on_disk_stays_there(large):
    arrays = folder.read(large, 32).arrays
    splits = {part: Split(x, y, np.arange(len(y))) for part, (x, y) in arrays.items()}
    whole = Dataset("pets", splits["train"], splits["test"], ("cat", "dog"), "made")
    parts = hold_out(whole, 0.25, seed=0)
    assert isinstance(parts.train.x, ImagesOnDisk)
    assert parts.digest() == whole.digest()
    assert (parts.train.x[:] == whole.train.x[parts.train.index]).all()
    assert (parts.train.take(np.array([3, 1])).x[0] == whole.train.x[parts.train.index[3]]).all()
    with pytest.raises(TypeError, match="not converted to an array unseen"):
        np.asarray(parts.train.x)
