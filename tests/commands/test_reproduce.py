"""`kerasexp reproduce` as a user calls it, on data that is nobody's."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from kerasexp.runs import find_runs


def test_stopped_resumed_and_reused(kerasexp, small_data, tmp_path):
    words = ("reproduce", "kmnist", "--only", "kmnist_cnn:bench12", "--data", small_data, "--out", tmp_path)
    stopped = kerasexp(*words, "--max-time", "0.001")
    assert stopped.code == 0, stopped.err
    assert "kmnist_cnn published bench12 seed 42: trained, stopped by the time limit" in stopped.out
    assert "1 run planned, to do: 1 run of unknown length" in stopped.err
    again = kerasexp(*words)
    assert again.code == 0, again.err
    assert "goes on in" in again.err
    lines = again.out.splitlines()
    assert any(line.endswith("claims without a verdict: other data") for line in lines)
    assert lines[-2].startswith("kmnist: ")
    assert Path(lines[-1]).name == "study.html"
    assert Path(lines[-1]).with_suffix(".json").is_file()
    once_more = kerasexp(*words, "--json")
    assert "1 run planned, to do: nothing" in once_more.err
    (study,) = json.loads(once_more.out)["studies"]
    assert [run["what"] for run in study["plan"]] == ["reused"]
    (run,) = find_runs(tmp_path)
    assert study["plan"][0]["folder"] == str(run)
    assert run.manifest["status"] == "complete"


def test_ctrl_c(kerasexp, small_data, tmp_path):
    def interrupt():
        while not list(tmp_path.glob("kmnist_fcnn/*/history.csv")):  # then it trains, for ten thousand epochs
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    answer = kerasexp("reproduce", "kmnist", "--only", "kmnist_fcnn", "--data", small_data, "--out", tmp_path)
    assert (answer.code, answer.out) == (130, "")
    assert answer.err.splitlines()[-1].endswith("0 of 2 runs are finished. The same command goes on.")
    assert not (tmp_path / "studies").exists()


def test_without_any_data_it_is_exit_3(kerasexp, tmp_path):
    words = ("reproduce", "kmnist", "--data-dir", tmp_path / "empty", "--offline", "--out", tmp_path / "runs")
    answer = kerasexp(*words, "--only", "kmnist_fcnn")
    assert (answer.code, answer.out) == (3, "")
    assert "train-images-idx3-ubyte.gz" in answer.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["kmnis"], 'Did you mean "kmnist"?'),
        (["kmnist", "--only", "cifar10"], "--only: the study has no"),
        (["kmnist", "--cluster", "lokal"], "local, auto or HOST:PORT"),
        (["kmnist", "--max-time", "soon"], "30s, 10m, 2h"),
        ([], "STUDY"),
    ],
)
def test_a_wrong_word_is_exit_2(kerasexp, tmp_path, words, message):
    answer = kerasexp("reproduce", *words, *(["--out", tmp_path] if words else []))
    assert (answer.code, answer.out) == (2, "")
    assert message in answer.err
    assert not any(tmp_path.iterdir())
