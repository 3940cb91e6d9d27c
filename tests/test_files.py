"""Files are written whole or not at all, and read in safe forms only."""

import os

import numpy as np
import pytest

from kerasexp import files
from kerasexp.cli import main
from kerasexp.data.readers.idx import read_idx
from kerasexp.errors import DataError, UsageError
from kerasexp.models.saved import load_model
from kerasexp.runs import read_history


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    files.write_text(path, "old")

    def fail():
        with files.replacing(path) as beside:
            beside.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_replaced_or_stays(tmp_path):
    path = tmp_path / "folder"
    for text in ("old", "new"):
        with files.replacing_folder(path) as beside:
            beside.mkdir()
            (beside / "a.txt").write_text(text)
    with pytest.raises(FileNotFoundError), files.replacing_folder(path):
        pass  # nothing is written, so the second rename fails
    assert (path / "a.txt").read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_npz_round_trip(tmp_path):
    files.write_npz(tmp_path / "a.npz", x=np.arange(3), y=np.eye(2))
    assert files.read_npz(tmp_path / "a.npz")["x"].tolist() == [0, 1, 2]


def _cut(path):
    path.write_bytes(path.read_bytes()[:-30])


def _flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [_cut, _flip, lambda path: path.write_bytes(b"")])
def test_a_damaged_npz_is_refused_by_name(tmp_path, damage):
    path = tmp_path / "a.npz"
    files.write_npz(path, x=np.arange(1000))
    damage(path)
    with pytest.raises(DataError, match=r"a\.npz is damaged"):
        files.read_npz(path)


def test_pickles_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(DataError, match="never loaded"):
        files.read_npz(tmp_path / "a.npz")


def test_other_files_are_not_accused_of_pickles(tmp_path):
    (tmp_path / "a.npz").write_text("x,y\n1,2\n")
    with pytest.raises(DataError, match=r"a\.npz is refused: it is no \.npz archive\. Expected an archive of plain"):
        files.read_npz(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyError("accuracy"), "accuracy is missing"),
        (KeyError("There is no item named 'a' in the archive"), "There is no item named 'a' in the archive"),
        (ValueError("of two\n lines."), "of two lines"),
        (EOFError(), "it cannot be read"),
    ],
)
def test_errors_of_others_in_words(error, words):
    assert files.reason(error) == words


def test_json_errors_name_the_file(tmp_path):
    with pytest.raises(DataError, match=r"a\.json is missing\. Fetch or make it again"):
        files.read_json(tmp_path / "a.json")
    for text in ("{", "[" * 100_000):
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(DataError, match=r"a\.json cannot be read"):
            files.read_json(tmp_path / "a.json")


def test_digest_does_not_depend_on_the_order_of_keys():
    assert files.digest({"a": 1, "b": [2]}) == files.digest({"b": [2], "a": 1}) != files.digest({"a": 1, "b": [3]})


def test_a_bound_of_the_cache_that_is_no_number_is_refused(monkeypatch):
    monkeypatch.setenv("KERASEXP_CACHE_GB", "much")
    with pytest.raises(UsageError, match="KERASEXP_CACHE_GB: expected gigabytes"):
        files.cache_bound()


@pytest.fixture
def closed(tmp_path):
    """A file that this process, which for the time is not root, has no right to."""
    main(["evaluate", str(tmp_path)])  # imports now what root alone may import
    folder = tmp_path / "closed"
    folder.mkdir()
    (folder / "inside").write_text("content")
    folder.chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield folder / "inside"
    if root:
        os.seteuid(0)
    folder.chmod(0o700)


@pytest.mark.parametrize("read", [files.read_json, files.read_npz, read_history, read_idx, load_model])
def test_what_may_not_be_read_is_not_called_damaged(closed, read):
    with pytest.raises(DataError, match=r"inside: permission denied\. Give this user the right"):
        read(closed)


def test_a_command_says_it_as_clearly(closed, capsys):
    assert main(["evaluate", str(closed)]) == 3
    assert capsys.readouterr().err.startswith(f"Error: {closed}: permission denied. Give this user the right")
