"""What `kerasexp data list|get|check` answer."""

from __future__ import annotations

import json

import pytest

from kerasexp.errors import DataError, UsageError
from kerasexp.workflows.data import check_data, get_data, list_data


@pytest.fixture(autouse=True)
def empty_home(monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "no_tfds"))


def test_list_shows_what_is_there(tmp_path):
    rows = {row["name"]: row for row in list_data(tmp_path)}
    assert rows["mnist5k"]["present"] == "bundled"
    assert rows["kmnist"]["present"] is None
    assert rows["kmnist"]["images"] == {"train": 60_000, "test": 10_000}
    assert rows["kmnist"]["glyphs"][0] == "お"
    json.dumps(list(rows.values()))


def test_list_of_real_data(data_dir):
    rows = {row["name"]: row for row in list_data(data_dir)}
    assert rows["mnist"]["present"] == str(data_dir / "mnist")
    assert rows["kmnist"]["present"] is None  # its training images are missing


def test_check_counts_and_remarks():
    summary = check_data("mnist5k")
    assert summary["counts"] == {"train": [400] * 10, "test": [100] * 10}
    assert summary["remarks"]
    json.dumps(summary)


def test_check_of_real_originals(data_dir):
    summary = check_data("mnist", data_dir)
    assert "SHA-256 verified" in summary["source"]
    assert summary["digest"] == "48c7227b7f611578"


def test_check_never_fetches(tmp_path):
    with pytest.raises(DataError, match="offline, so the network was not used"):
        check_data("kmnist", tmp_path)


def test_get_says_where(data_dir):
    assert get_data("mnist", data_dir, offline=True)["folder"] == str(data_dir / "mnist")
    assert get_data("mnist5k", data_dir, offline=True)["folder"] is None


def test_get_takes_catalog_names_only(tmp_path):
    with pytest.raises(UsageError, match="Unknown data set"):
        get_data(str(tmp_path))
