"""The feature cache: whole entries, a bound, a full disk."""

from __future__ import annotations

import os
import resource
import shutil
import threading
import time

import numpy as np
import pytest

from kerasexp import files
from kerasexp.training.cache import FeatureCache, NoRoom


def fill(cache, key, rows=10, width=1000, seen=None, fail_after=None, block=1):
    def blocks(first):
        for row in range(first, rows):
            if row == fail_after:
                raise KeyboardInterrupt
            if seen is not None:
                seen.append(row)
            yield np.full((1, width), row, "float32")

    return cache.fill(key, f"entry {key}", (rows, width), np.float32, block, blocks)


def test_what_was_filled_is_there_again(tmp_path):
    cache = FeatureCache(tmp_path)
    assert cache.get("a") is None
    filled = fill(cache, "a")
    assert isinstance(filled, np.memmap)
    assert np.array_equal(FeatureCache(tmp_path).get("a"), np.repeat(np.arange(10.0), 1000).reshape(10, 1000))
    (entry,) = cache.entries()
    assert (entry.key, entry.what, entry.whole) == ("a", "entry a", True)
    assert cache.clear() == entry.size
    assert cache.entries() == []


def test_a_killed_computation_goes_on_where_it_stopped(tmp_path):
    cache, seen = FeatureCache(tmp_path), []
    with pytest.raises(KeyboardInterrupt):
        fill(cache, "a", fail_after=6)
    assert [entry.whole for entry in cache.entries()] == [False]
    with open(tmp_path / "a" / "features.part", "ab") as file:
        file.write(b"half a row")
    entry = files.read_json(tmp_path / "a" / "entry.json")
    files.write_json(tmp_path / "a" / "entry.json", {**entry, "seconds": 60.0})
    filled = fill(cache, "a", seen=seen)
    assert seen == [6, 7, 8, 9]
    assert 60 <= cache.seconds("a") < 70  # what both took
    assert filled[:, 0].tolist() == list(range(10))


def test_it_goes_on_with_a_whole_block(tmp_path):
    """The bits of a row may depend on how many rows are computed with it."""
    cache, seen = FeatureCache(tmp_path), []
    with pytest.raises(KeyboardInterrupt):
        fill(cache, "a", fail_after=6)
    filled = fill(cache, "a", seen=seen, block=4)
    assert seen == [4, 5, 6, 7, 8, 9]
    assert filled[:, 0].tolist() == list(range(10))


def test_who_waited_goes_on_where_the_first_was_killed(tmp_path):
    """A thread stands for the process that waits: it opens the file before the first has written anything."""
    cache, seen = FeatureCache(tmp_path), []
    second = threading.Thread(target=fill, args=(cache, "a"), kwargs={"seen": seen})

    def blocks(first):
        second.start()
        time.sleep(0.3)
        yield np.zeros((6, 1000), "float32")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.fill("a", "killed", (10, 1000), np.float32, 1, blocks)
    second.join()
    assert seen == [6, 7, 8, 9]


@pytest.mark.parametrize("size", [0, 60, 2000])
def test_a_damaged_entry_is_computed_again(tmp_path, size):
    cache, seen = FeatureCache(tmp_path), []
    fill(cache, "a")
    os.truncate(tmp_path / "a" / "features.npy", size)
    assert cache.get("a") is None
    assert fill(cache, "a", seen=seen)[:, 0].tolist() == seen == list(range(10))


def test_the_least_recently_used_goes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("KERASEXP_CACHE_GB", "0.0001")  # 100 kB: two entries of 40 kB
    cache = FeatureCache(tmp_path)
    for age, key in ((300, "a"), (200, "b")):
        fill(cache, key)
        for file in (tmp_path / key).iterdir():
            os.utime(file, (file.stat().st_mtime - age,) * 2)
    cache.get("a")  # used again
    fill(cache, "c")
    assert {entry.key for entry in cache.entries()} == {"a", "c"}


def test_what_is_larger_than_the_bound_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("KERASEXP_CACHE_GB", "0.00001")
    with pytest.raises(NoRoom, match="KERASEXP_CACHE_GB"):
        fill(FeatureCache(tmp_path), "a")


def test_a_full_disk_leaves_nothing_behind(tmp_path):
    """A file size limit of the operating system stands for the full disk."""
    cache = FeatureCache(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(NoRoom, match="disk is full"):
            fill(cache, "a")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert cache.entries() == []


def test_a_folder_that_cannot_be_used_has_no_room(tmp_path):
    """Root is refused by no file mode; a file in the place of a folder refuses everybody."""
    (tmp_path / "file").touch()
    cache = FeatureCache(tmp_path / "file" / "features")
    assert cache.get("a") is None
    with pytest.raises(NoRoom, match=r"features cannot be written to \(Not a directory\)"):
        fill(cache, "a")


def fill_and_meanwhile(cache, key, meanwhile):
    """An entry of 40 kB; something happens after its first row."""

    def blocks(first):
        yield np.zeros((1, 1000), "float32")
        meanwhile()
        yield np.ones((9, 1000), "float32")

    return cache.fill(key, "slow", (10, 1000), np.float32, 1, blocks)


def test_what_another_process_is_computing_is_neither_evicted_nor_cleared(tmp_path, monkeypatch):
    """Two openings of one file stand for two processes: the lock tells them apart just so."""
    monkeypatch.setenv("KERASEXP_CACHE_GB", "0.00006")  # 60 kB: the entry and its first row, and no second entry
    cache = FeatureCache(tmp_path)
    fill(cache, "old")

    def meanwhile():
        fill(cache, "new", width=1200)
        assert cache.clear() > 48_000
        assert [entry.key for entry in cache.entries()] == ["slow"]
        with pytest.raises(NoRoom, match="other processes are filling the cache"):
            fill(cache, "large", width=1450)

    assert fill_and_meanwhile(cache, "slow", meanwhile).sum() == 9000
    assert [(entry.key, entry.whole) for entry in cache.entries()] == [("slow", True)]


def test_an_entry_that_is_removed_or_begun_anew_meanwhile_has_no_room(tmp_path):
    cache = FeatureCache(tmp_path)
    with pytest.raises(NoRoom, match="a was removed meanwhile"):
        fill_and_meanwhile(cache, "a", lambda: shutil.rmtree(tmp_path / "a"))

    def begin_anew():
        shutil.rmtree(tmp_path / "a")
        with pytest.raises(KeyboardInterrupt):
            fill(cache, "a", fail_after=2)

    with pytest.raises(NoRoom, match="a was removed meanwhile"):
        fill_and_meanwhile(cache, "a", begin_anew)
    assert fill(cache, "a")[:, 0].tolist() == list(range(10))


def test_what_vanishes_while_it_is_listed_is_no_error(tmp_path, monkeypatch):
    cache, read_json = FeatureCache(tmp_path), files.read_json
    for key in "ab":
        fill(cache, key)

    def late(path):
        shutil.rmtree(path.parent)
        return read_json(path)

    monkeypatch.setattr(files, "read_json", late)
    cache.entries()
    assert cache.entries() == []
