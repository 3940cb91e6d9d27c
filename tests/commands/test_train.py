from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest

from kerasexp.runs import find_runs, open_run
from kerasexp.training import trainer
from kerasexp.workflows import prepare


def test_the_last_line_is_the_path_of_a_report(trained):
    report = Path(trained.out.splitlines()[-1])
    assert report.name == "report.html"
    assert "<html" in report.read_text(encoding="utf-8")


def test_the_result_is_on_stdout_and_the_progress_on_stderr(trained):
    lines = trained.out.splitlines()
    assert lines[0].startswith("kmnist_fcnn fast augment2: complete")
    assert "2 epochs" in lines[0]
    assert lines[1].startswith("test accuracy ")
    assert "n = 30" in lines[1]
    assert "epoch 1/2  loss" in trained.err
    assert "epoch" not in trained.out.replace("2 epochs", "").replace("all epochs", "")


def test_the_flags_reach_the_run(run_folder):
    run = open_run(run_folder)
    assert run.manifest["status"] == "complete"
    assert run.manifest["epochs_run"] == 2
    assert run.manifest["variants"] == ["augment2"]
    assert run.manifest["precision"] == "float32"


def test_json_is_all_that_is_on_stdout(kerasexp, small_data, tmp_path):
    words = ("train", "kmnist_fcnn", "--recipe", "fast", "--data", small_data, "--epochs", 1, "--seed", 7)
    answer = kerasexp(*words, "--set", "batch_size=30", "--out", tmp_path, "--json")
    assert answer.code == 0, answer.err
    result = json.loads(answer.out)
    assert result["experiment"] == "kmnist_fcnn"
    assert result["seed"] == 7
    assert result["status"] == "complete"
    assert result["test"]["n"] == 30
    low, high = result["test"]["accuracy"]["interval"]
    assert low <= result["test"]["accuracy"]["value"] <= high
    assert Path(result["report"]).is_file()
    assert open_run(result["run"]).experiment.batch_size == 30


def test_max_time_stops_at_once_and_resume_goes_on_to_the_end(kerasexp, small_data, tmp_path):
    words = ("train", "kmnist_fcnn", "--recipe", "fast", "--data", small_data, "--epochs", 2)
    stopped = kerasexp(*words, "--max-time", "0.001", "--out", tmp_path)
    assert stopped.code == 0, stopped.err
    assert ": stopped (the time limit), " in stopped.out
    (folder,) = (tmp_path / "kmnist_fcnn").iterdir()
    assert f"kerasexp resume {folder}" in stopped.out
    resumed = kerasexp("resume", folder)
    assert resumed.code == 0, resumed.err
    assert ": complete (all epochs), 2 epochs" in resumed.out


def test_seeds_make_one_group_and_nothing_is_run_twice(kerasexp, run_folder, small_data, tmp_path):
    shutil.copytree(run_folder.parents[1], tmp_path / "runs")
    words = ("train", "kmnist_fcnn", "--recipe", "fast", "--augment", 2, "--data", small_data, "--epochs", 2)
    words += ("--precision", "float32", "--seeds", 2, "--out", tmp_path / "runs")
    answer = kerasexp(*words)
    assert answer.code == 0, answer.err
    lines = answer.out.splitlines()
    assert [line.split()[0] for line in lines[2:6]] == ["seed", "seed", "mean", "spread"]
    assert "reused" in lines[2]
    assert "trained" in lines[3]
    assert max(map(len, lines[:6])) <= 120
    assert Path(lines[-1]).name == "group.html"
    again = kerasexp(*words, "--json")
    content = json.loads(again.out)
    assert [(run["seed"], run["what"]) for run in content["runs"]] == [(42, "reused"), (43, "reused")]
    assert (content["page"], content["settings"][0]["seeds"]) == (lines[-1], 2)
    (second,) = find_runs(tmp_path / "runs", group=content["group"])
    assert str(second) == content["runs"][1]["run"]


def test_variant_all_is_each_of_them_and_shares_one_time_limit(kerasexp, small_data, tmp_path):
    words = ("train", "kmnist_fcnn", "--data", small_data, "--variant", "all", "--seed", 5, "--max-time", "0.001")
    answer = kerasexp(*words, "--json", "--out", tmp_path)
    assert answer.code == 0, answer.err
    runs = [(run["label"], run["what"], run["status"]) for run in json.loads(answer.out)["runs"]]
    assert runs == [("bench12 seed 5", "trained", "stopped"), ("lr1 seed 5", "not started", None)]


@pytest.fixture
def terminated(monkeypatch):
    """Sends this process a SIGTERM, as soon as a command calls a function."""

    def when_called(module, name):
        function = getattr(module, name)

        def wrapped(*arguments, **settings):
            os.kill(os.getpid(), signal.SIGTERM)
            return function(*arguments, **settings)

        monkeypatch.setattr(module, name, wrapped)

    def unheard(*_):
        raise AssertionError("nobody listened to the signal")

    before = signal.signal(signal.SIGTERM, unheard)
    yield when_called
    signal.signal(signal.SIGTERM, before)


def test_a_signal_before_there_is_a_run(kerasexp, small_data, tmp_path, terminated):
    terminated(prepare, "prepare_data")
    answer = kerasexp("train", "kmnist_fcnn", "--data", small_data, "--out", tmp_path)
    assert (answer.code, answer.out) == (130, "")
    assert answer.err.splitlines()[-1] == "Error: Interrupted; nothing was trained yet."
    assert find_runs(tmp_path) == []


def test_a_signal_before_the_first_step(kerasexp, small_data, tmp_path, terminated):
    terminated(trainer, "build_seeded")
    answer = kerasexp("train", "kmnist_fcnn", "--data", small_data, "--out", tmp_path)
    assert (answer.code, answer.out) == (130, "")
    (run,) = find_runs(tmp_path)
    go_on = f"Go on with: kerasexp resume {run}"
    assert answer.err.splitlines()[-1] == f"Error: Interrupted before the first step was saved. {go_on}"
    assert run.manifest["status"] == "interrupted"
    terminated(prepare, "prepare_data")
    answer = kerasexp("resume", run)
    assert answer.code == 130
    assert answer.err.splitlines()[-1] == f"Error: Interrupted before the first step. {go_on}"
    assert run.manifest["status"] == "interrupted"


def test_ctrl_c_ends_the_whole_group(kerasexp, small_data, tmp_path):
    def interrupt():
        history = []
        while not history:  # surely in training: of a hundred thousand epochs the first is done
            time.sleep(0.05)
            history = list(tmp_path.glob("kmnist_fcnn/*/history.csv"))
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    words = ("train", "kmnist_fcnn", "--recipe", "fast", "--data", small_data, "--epochs", 100_000, "--seeds", 3)
    answer = kerasexp(*words, "--out", tmp_path)
    assert (answer.code, answer.out) == (130, "")
    assert answer.err.splitlines()[-1].endswith("0 of 3 runs are finished. The same command goes on.")
    assert [run.manifest["status"] for run in find_runs(tmp_path)] == ["interrupted"]


def test_a_failed_run_of_a_group_is_told_and_is_exit_1(kerasexp, run_folder, small_data, tmp_path):
    shutil.copytree(run_folder.parents[1], tmp_path / "runs")
    words = ["train", "kmnist_fcnn", "--recipe", "fast", "--augment", 2, "--data", small_data, "--epochs", 2]
    words += ["--precision", "float32", "--out", tmp_path / "runs"]
    assert kerasexp(*words, "--seed", 43, "--max-time", "0.001").code == 0
    stopped = find_runs(tmp_path / "runs")[-1]
    with stopped.locked():
        answer = kerasexp(*words, "--seeds", 2)
    assert answer.code == 1
    assert "reused" in answer.out
    assert answer.err.splitlines()[-1].startswith(f"Error: 1 of 2 runs failed. seed 43: {stopped} is locked")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["kmnist_cn"], 'Did you mean "kmnist_cnn"?'),
        (["kmnist_cnn", "--recipe", "fats"], 'Did you mean "fast"?'),
        (["kmnist_cnn", "--variant", "lr2"], 'Did you mean "lr1"?'),
        (["kmnist_cnn", "--set", "optimizer.learning_rat=1"], 'Did you mean "learning_rate"?'),
        (["kmnist_cnn", "--set", "batch_size=many"], "batch_size"),
        (["kmnist_cnn", "--set", "batch_size"], "PATH=VALUE"),
        (["kmnist_cnn", "--cluster", "lokal"], "local, auto or HOST:PORT"),
        (["kmnist_cnn", "--cpus-per-run", "2"], "Expected --cluster with it"),
        (["kmnist_cnn", "--epochs", "-1"], "epochs"),
        (["kmnist_cnn", "--epochs", "two"], "--epochs"),
        (["kmnist_cnn", "--augment", "-5"], "augment"),
        (["kmnist_cnn", "--seed", "-1"], "seed"),
        (["kmnist_cnn", "--max-time", "soon"], "30s, 10m, 2h"),
        (["kmnist_cnn", "--max-time", "0"], "30s, 10m, 2h"),
        (["kmnist_cnn", "--seeds", "0"], "--seeds"),
        (["kmnist_cnn", "--devices", "gpu"], "auto, cpu, all, or a list such as gpu:0,gpu:1"),
        (["kmnist_cnn", "--devices", "gpu:99"], "there is no gpu:99 here"),
        (["kmnist_cnn", "--devices", "cpu", "--seeds", "2"], "--devices and TF_CONFIG are for one run"),
        (["kmnist_cnn", "--variant", "all", "--recipe", "fast"], "no variants for the recipe fast"),
        (["kmnist_cnn", "--precision", "float16"], "'auto', 'float32', 'bfloat16', 'tensorfloat32'"),
        (["no_such_file.yaml"], "no_such_file.yaml is missing"),
        ([], "EXPERIMENT"),
    ],
)
def test_a_wrong_word_is_exit_2_and_one_clear_message(kerasexp, tmp_path, words, message):
    answer = kerasexp("train", *words, *(["--out", tmp_path] if words else []))
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("Error: ")
    assert message in answer.err
    assert "Traceback" not in answer.err
    assert not any(tmp_path.iterdir()), "nothing is left behind"


def test_missing_data_is_exit_3(kerasexp, tmp_path):
    answer = kerasexp("train", "kmnist_cnn", "--data-dir", tmp_path / "empty", "--offline", "--out", tmp_path / "runs")
    assert (answer.code, answer.out) == (3, "")
    assert "train-images-idx3-ubyte.gz" in answer.err
