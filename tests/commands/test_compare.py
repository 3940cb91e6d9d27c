from __future__ import annotations

import json
import shutil

import pytest

from kerasexp.runs import Run


@pytest.fixture
def other(run_folder, tmp_path):
    """The run again, under another name."""
    return shutil.copytree(run_folder, tmp_path / "other_run")


def test_tables_that_fit_a_hundred_columns(kerasexp, run_folder, other, tmp_path):
    answer = kerasexp("compare", run_folder, other, "--out", tmp_path / "page")
    assert answer.code == 0, answer.err
    lines = answer.out.splitlines()
    assert max(map(len, lines[:-3])) <= 100  # below the tables: the conclusion and a path
    assert lines[-2].startswith("Cannot tell: ")
    assert lines[-1] == str(tmp_path / "page" / "compare.html")
    for words in ("accuracy (95 % interval)", "macro F1", "test loss", "best (epoch)", "per epoch", "trainable"):
        assert words in answer.out


def test_a_stopped_run_says_so(kerasexp, run_folder, other, tmp_path):
    Run(other).update_manifest(status="stopped", epochs_run=1)
    answer = kerasexp("compare", run_folder, other, "--out", tmp_path / "page")
    said = [line for line in answer.out.splitlines() if " was stopped " in line]
    assert len(said) == 1, answer.err
    assert said[0].endswith(" was stopped after 1 epoch: its numbers are not those of the whole training.")


def test_json_is_the_content_of_compare_json(kerasexp, run_folder, other, tmp_path):
    answer = kerasexp("compare", run_folder, other, "--json", "--out", tmp_path / "page")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out) == json.loads((tmp_path / "page" / "compare.json").read_text())


def test_the_page_has_a_new_folder_by_default(kerasexp, run_folder, other, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert kerasexp("compare", run_folder.resolve(), other).code == 0
    assert len(list((tmp_path / "comparisons").glob("*/compare.html"))) == 2


def test_wrong_runs(kerasexp, run_folder, tmp_path):
    assert kerasexp("compare", run_folder).code == 2
    assert kerasexp("compare", run_folder, run_folder).code == 2
    answer = kerasexp("compare", run_folder, tmp_path)
    assert (answer.code, answer.out) == (3, "")
