"""A search of real trainings on a tiny data set: exact, bounded, honest, and gone on with after a kill."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
import yaml

import kerasexp
from kerasexp import environment, files
from kerasexp.config.loading import load_experiment
from kerasexp.config.space import parse_space
from kerasexp.errors import DataError, KerasexpError, UsageError
from kerasexp.models.saved import load_model
from kerasexp.runs import Run, read_history
from kerasexp.workflows.tuning_record import SearchRecord, TrialRecord, locked

SPACE = {
    "optimizer.learning_rate": {"log": [0.1, 2.0]},
    "model.units": [[8, 8], [16, 8]],
}
SETTINGS = ["save_seconds=0", "early_stopping=null", "batch_size=16"]


@pytest.fixture(scope="session")
def small_data(tmp_path_factory):
    """An .npz of 12x12 images: a bright left, right or middle third tells the class."""
    generator = np.random.default_rng(0)

    def images(labels):
        x = generator.integers(0, 90, (len(labels), 12, 12), dtype=np.uint8)
        for image, label in zip(x, labels, strict=True):
            image[:, 4 * label : 4 * label + 4] += 60
        return x

    y_train, y_test = np.arange(120) % 3, np.arange(30) % 3
    path = tmp_path_factory.mktemp("data") / "thirds.npz"
    np.savez(path, x_train=images(y_train), y_train=y_train, x_test=images(y_test), y_test=y_test)
    return path


@pytest.fixture(scope="session")
def space(tmp_path_factory):
    path = tmp_path_factory.mktemp("space") / "space.yaml"
    path.write_text(yaml.safe_dump(SPACE))
    return path


@pytest.fixture
def tune(small_data, space):
    def call(out, **arguments):
        arguments = {"space": space, "data": small_data, "set": SETTINGS, "epochs": 3, "out": out, **arguments}
        return kerasexp.tune("kmnist_fcnn", **arguments)

    return call


@pytest.fixture(scope="session")
def searched(small_data, space, tmp_path_factory):
    """One bracket of Hyperband: three trials of one epoch, the best of them goes on to three."""
    out = tmp_path_factory.mktemp("search")
    arguments = {"space": space, "data": small_data, "set": SETTINGS, "epochs": 3, "out": out}
    content = kerasexp.tune("kmnist_fcnn", tuner="hyperband", trials=4, keep=1, **arguments)
    return content


@pytest.fixture
def copied(searched, tmp_path):
    """The search in a folder of its own, and its record."""
    folder = shutil.copytree(searched["folder"], tmp_path / "search")
    settings = files.read_json(folder / "search.json")["settings"]
    return SearchRecord.opened(folder, settings)


def run_of(searched, number: int) -> Run:
    (row,) = [row for row in searched["trials"] if row["trial"] == number]
    return Run(row["run"])


def test_a_trial_is_a_run_that_no_test_image_has_touched(searched):
    for row in searched["trials"]:
        run = Run(row["run"])
        manifest = run.manifest
        assert manifest["status"] == "complete"
        assert manifest["group"] == files.read_json(run.folder.parents[1] / "search.json")["group"]
        assert manifest["trial"] + 1 == row["trial"]
        assert run.experiment.data.validation == "split"
        assert not {"metrics.json", "predictions.npz", "report.html"} & {path.name for path in run.folder.iterdir()}
        history = read_history(run.path("history.csv"))
        assert row["epochs"] == len(history)
        assert row["score"] == history[row["best_epoch"] - 1]["val_accuracy"]
        assert row["best_epoch"] == min(history, key=lambda epoch: epoch["val_loss"])["epoch"]
        assert row["images"] == 12
    assert [row["score"] for row in searched["trials"]] == sorted(
        (row["score"] for row in searched["trials"]), reverse=True
    )


def test_a_promoted_trial_equals_one_trained_as_long_at_once(searched, copied, tmp_path):
    from kerasexp.training.progress import Progress
    from kerasexp.workflows.tuning_trials import Trials

    child = copied.trials[3]
    assert child.parent is not None
    assert (child.epochs, child.epochs_run) == (3, 3)
    at_once = SearchRecord.opened(tmp_path / "at_once", copied.settings)
    at_once.trials = [TrialRecord(0, child.values, 3, None, None, 0)]
    experiment = Run(copied.folder / child.run).experiment
    trials = Trials(at_once, experiment, lambda trial: experiment, "float32", lambda trial: "")
    assert trials.run(at_once.trials[0], Progress(), None)
    trials.collect(at_once.trials[0])
    promoted, straight = run_of(searched, 4), Run(at_once.folder / at_once.trials[0].run)
    if promoted.path("model.keras").exists():
        weights = [load_model(run.path("model.keras"))[0].get_weights() for run in (promoted, straight)]
        assert all(np.array_equal(a, b) for a, b in zip(*weights, strict=True))
    histories = [read_history(run.path("history.csv")) for run in (promoted, straight)]
    assert [[{**row, "seconds": 0} for row in history] for history in histories][0] == [
        {**row, "seconds": 0} for row in histories[1]
    ]
    assert at_once.trials[0].score == child.score


def test_the_parameters_of_a_trial_are_all_of_the_network(copied):
    from kerasexp.workflows.tuning_trials import Trials

    trial = copied.trials[0]
    run = Run(copied.folder / trial.run)
    run.update_manifest(parameters={"total": 100, "trainable": 40})  # as where the last stage trains a part alone
    Trials(copied, run.experiment, lambda trial: run.experiment, "float32", lambda trial: "").collect(trial)
    assert trial.parameters == 100


def test_only_the_best_keeps_its_model(searched):
    kept = [row["trial"] for row in searched["trials"] if row["kept"]]
    assert kept == [searched["trials"][0]["trial"]]
    for row in searched["trials"]:
        run = Run(row["run"])
        assert run.path("model.keras").exists() == run.path("state").exists() == row["kept"]
        assert run.path("history.csv").exists()
        assert ("pruned" in run.manifest) != row["kept"]
        if not row["kept"]:
            with pytest.raises(DataError, match=r"the search has removed .* Train it again with: kerasexp train "):
                load_model(run.path("model.keras"))


def test_the_page_and_the_recipe(searched):
    folder = Run(searched["trials"][0]["run"]).folder.parents[1]
    assert files.read_json(folder / "tune.json") == searched
    source = (folder / "tune.html").read_text()
    assert "<script" not in source
    assert not re.search(r"(src|href)=\"(?!#|data:image)", source)
    text = " ".join(re.sub("<[^>]+>", " ", source).split())
    assert f"{searched['undecided']} of {searched['others']} others" in text
    assert f"kerasexp train {searched['recipe']}" in text
    assert {path.name for path in (folder / "figures").iterdir()} == {"scores.png", "parallel.png"}
    tuned = load_experiment(searched["recipe"])
    best = Run(searched["trials"][0]["run"]).experiment
    assert (tuned.recipe, tuned.seed) == ("tuned", best.seed)
    assert {**tuned.settings(), "name": best.name} == best.settings()


def test_a_finished_search_repeats_nothing(searched, copied, tune):
    before = {path: path.stat().st_mtime_ns for path in copied.folder.glob("kmnist_fcnn/*/*")}
    again = tune(copied.folder, tuner="hyperband", trials=4, keep=1)
    assert [row["score"] for row in again["trials"]] == [row["score"] for row in searched["trials"]]
    assert {path: path.stat().st_mtime_ns for path in copied.folder.glob("kmnist_fcnn/*/*")} == before


def test_what_a_kill_left_half_done_is_gone_on_with(searched, copied, tune):
    """After the end of a run and before its record, in a write of the record, in the taking over of a state."""
    child = copied.trials[3]
    run = Run(copied.folder / child.run)
    weights = files.file_digest(run.path("model.keras")) if run.path("model.keras").exists() else None
    child.ended, child.status, child.score, child.run = None, "running", None, None
    copied.save()
    text = copied.path.read_text()
    (copied.folder / ".search.4711.part.json").write_text(text[: len(text) // 2])
    (copied.folder / "kmnist_fcnn" / "20260101T000000-000000").mkdir()
    (run.folder / ".state-unfinished").mkdir()
    again = tune(copied.folder, tuner="hyperband", trials=4, keep=1)
    assert [row["score"] for row in again["trials"]] == [row["score"] for row in searched["trials"]]
    if weights:
        assert files.file_digest(run.path("model.keras")) == weights  # not trained again


def test_a_stopped_search_goes_on_exactly(tune, tmp_path):
    stopped = tune(tmp_path / "a", trials=1, max_time=1e-3, keep=1, data_dir=tmp_path / "my data", offline=True)
    assert stopped["status"] == "stopped"
    assert stopped["command"].endswith(f" --trials 1 --keep 1 --data-dir '{tmp_path}/my data' --offline")
    assert stopped["recipe"] is None
    assert "No trial has ended yet" in (tmp_path / "a" / "tune.html").read_text()
    whole = tune(tmp_path / "a", trials=1)
    assert whole["status"] == "complete"
    assert whole["command"].endswith(f" --out {tmp_path / 'a'} --trials 1")
    assert [row["status"] for row in whole["trials"]] == ["complete"]
    assert len(list((tmp_path / "a" / "kmnist_fcnn").iterdir())) == 1


def test_a_record_is_read_by_its_holder_alone(tune, tmp_path):
    """What another process is about to write must not be gone on with."""
    (tmp_path / "search.json").write_text("not yet whole")
    with locked(tmp_path), pytest.raises(UsageError, match="is locked"):
        tune(tmp_path)


def test_trials_that_fail_are_told_and_three_of_them_end_the_search(tune, tmp_path):
    space = tmp_path / "space.yaml"
    space.write_text("model.activation: [reelu, gelou, tanhh, relu]\n")
    with pytest.raises(KerasexpError, match="3 trials failed one after the other.*tanhh"):
        tune(tmp_path / "a", tuner="grid", space=space)
    record = files.read_json(tmp_path / "a" / "search.json")
    assert [trial["status"] for trial in record["trials"]] == ["failed"] * 3
    assert "gelou" in record["trials"][1]["message"]


def statuses(folder) -> list[str]:
    return [trial["status"] for trial in files.read_json(folder / "search.json")["trials"]]


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_missing_data_is_no_trial_s_fault(tune, small_data, tmp_path, workers):
    data, out = tmp_path / "thirds.npz", tmp_path / "a"
    with pytest.raises(DataError, match=r"thirds\.npz"):
        tune(out, trials=1, data=data, epochs=1, workers=workers)
    assert statuses(out) == ["running"]
    assert not list(out.glob("failure-*"))
    shutil.copy(small_data, data)
    assert tune(out, trials=1, data=data, epochs=1)["status"] == "complete"
    assert statuses(out) == ["complete"]


def test_only_the_lock_itself_is_told_as_a_lock(tmp_path):
    with pytest.raises(BlockingIOError), locked(tmp_path):
        raise BlockingIOError("a pipe is full")


def test_a_locked_run_is_no_trial_s_fault(copied, tune, monkeypatch):
    monkeypatch.setattr("kerasexp.workflows.tuning_trials.UNLOCKING", 0.1)
    child = copied.trials[3]
    run = Run(copied.folder / child.run)
    child.ended, child.status = None, "running"
    copied.save()
    with run.locked(), pytest.raises(UsageError, match="is locked"):
        tune(copied.folder, tuner="hyperband", trials=4)
    assert statuses(copied.folder) == ["complete"] * 3 + ["running"]


def test_a_full_disk_is_no_trial_s_fault(tune, tmp_path):
    """The file size limit lets the small files through and stops the state of a wide network."""
    arguments = {"trials": 1, "epochs": 1, "set": [*SETTINGS, "model.units=[1024,8]"], "space": tmp_path / "space.yaml"}
    arguments["space"].write_text("optimizer.learning_rate: [0.1, 0.2]\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
    try:
        with pytest.raises(KerasexpError, match="disk is full.*the same command goes on"):
            tune(tmp_path / "a", **arguments)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert statuses(tmp_path / "a") == ["running"]
    assert tune(tmp_path / "a", **arguments)["status"] == "complete"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"recipe": "published"}, "validates on its test images.*--recipe sound"),
        ({"recipe": "fast"}, "no validation images"),
        ({"tuner": "greedy"}, 'Unknown tuner "greedy"'),
        ({"trials": 0}, "--trials: expected 1 or more"),
        ({"keep": 0}, "--keep: expected 1 or more"),
        ({"max_time": -1.0}, "--max-time"),
        ({"tuner": "hyperband", "epochs": 1}, "hyperband needs the epochs"),
        (
            {"tuner": "hyperband", "set": ["schedule={name: triangular, warmup: 0.1}"]},
            "cannot train with a schedule",
        ),
    ],
)
def test_what_cannot_be_searched_is_refused(tune, tmp_path, arguments, message):
    with pytest.raises(UsageError, match=message):
        tune(tmp_path / "a", **arguments)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("content", "tuner", "message"),
    [
        ("seed: [1, 2]", "random", "no search may vary seed"),
        ("data.validation_fraction: [0.1, 0.2]", "random", "no search may vary data.validation_fraction"),
        ("a: {points: {b: {data: {name: mnist, validation: test}}}}", "random", "no search may vary data"),
        ("optimizer.rate: [1, 2]", "random", 'no "rate" in optimizer'),
        ("batch_size: [32, 0]", "random", "batch_size: input should be greater"),
        ("epochs: [1, 2]", "hyperband", "hyperband chooses how long"),
    ],
)
def test_a_space_that_does_not_fit_is_refused(tune, tmp_path, content, tuner, message):
    (tmp_path / "space.yaml").write_text(content)
    with pytest.raises(UsageError, match=message):
        tune(tmp_path / "a", space=tmp_path / "space.yaml", tuner=tuner)


def test_importance_finds_what_matters():
    from kerasexp.evaluation.importance import importance

    generator = np.random.default_rng(0)
    places = generator.random((60, 3))
    scores = 0.5 + 0.4 * places[:, 0] + 0.01 * generator.random(60)
    shares, r2 = importance(places, [0, 1, 1], scores)
    assert shares.sum() == pytest.approx(1)
    assert shares[0] > 0.9
    assert r2 > 0.8
    _, chance = importance(places, [0, 1, 1], generator.random(60))
    assert chance < 0.2
    assert importance(places[:9], [0, 1, 1], scores[:9]) is None
    assert importance(places, [0, 1, 1], np.ones(60)) is None


COMMAND = [sys.executable, "-c", "import sys; from kerasexp.cli import main; sys.exit(main())"]


@pytest.mark.slow
def test_killed_searches_end_as_one_that_was_not(small_data, space, tmp_path):
    """SIGKILL at several moments; scores and settings of all trials equal those of the uninterrupted search."""

    def words(out):
        found = ["tune", "kmnist_fcnn", "--tuner", "hyperband", "--epochs", "3", "--space", str(space)]
        for setting in SETTINGS:
            found += ["--set", setting]
        return [*COMMAND, *found, "--data", str(small_data), "--out", str(out), "--json"]

    whole = json.loads(subprocess.run(words(tmp_path / "whole"), capture_output=True, text=True, check=True).stdout)
    killed = tmp_path / "killed"
    for kill in range(4):
        process = subprocess.Popen(words(killed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        path = killed / "search.json"
        deadline = time.monotonic() + 240
        while not path.exists() or len(json.loads(path.read_text())["trials"]) < kill + 2:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(0.3 * kill)
        process.send_signal(signal.SIGKILL)
        process.wait()
    ended = json.loads(subprocess.run(words(killed), capture_output=True, text=True, check=True).stdout)
    for content in (whole, ended):
        for row in content["trials"]:
            del row["run"], row["seconds"]
    assert ended["trials"] == whole["trials"]
    assert len(list((killed / "kmnist_fcnn").glob("*/manifest.json"))) == len(whole["trials"])


@pytest.mark.slow
def test_two_workers_of_which_one_is_killed(small_data, space, tmp_path):
    """The same trials as of one process, and the killed worker's trial goes on in a new one; a proxy is not asked."""
    behind = {**os.environ, "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    words = ["tune", "kmnist_fcnn", "--trials", "4", "--epochs", "10", "--space", str(space), "--data", str(small_data)]
    for setting in SETTINGS:
        words += ["--set", setting]
    out, alone = tmp_path / "workers", tmp_path / "alone"
    two = [*COMMAND, *words, "--out", str(out), "--workers", "2", "--json"]
    process = subprocess.Popen(two, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=behind)
    deadline = time.monotonic() + 240
    while len(list(out.glob("kmnist_fcnn/*/state/0*"))) < 2:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    children = psutil.Process(process.pid).children()
    assert len(children) == 2
    children[0].send_signal(signal.SIGKILL)
    answer, told = process.communicate(timeout=240)
    assert process.returncode == 0, told
    assert told.count("A worker ended by SIGKILL. Trial") == told.count("A worker ended") == 1
    scores = {row["trial"]: (row["score"], row["values"]) for row in json.loads(answer)["trials"]}
    done = subprocess.run([*COMMAND, *words, "--out", str(alone), "--json"], capture_output=True, text=True, check=True)
    assert scores == {row["trial"]: (row["score"], row["values"]) for row in json.loads(done.stdout)["trials"]}
    assert len(list((out / "kmnist_fcnn").iterdir())) == 4


@pytest.mark.slow
def test_workers_train_in_the_precision_of_the_chief(small_data, space, tmp_path):
    """What `auto` is for the chief, on a machine where it would be the other one."""
    other = "float32" if environment.resolve_precision("auto") == "bfloat16" else "bfloat16"
    differs = f"from kerasexp import environment; environment.resolve_precision = lambda wanted: '{other}'; "
    words = ["tune", "kmnist_fcnn", "--trials", "1", "--epochs", "1", "--space", str(space), "--data", str(small_data)]
    command = [sys.executable, "-c", differs + COMMAND[-1], *words, "--precision", "auto", "--workers", "2"]
    subprocess.run([*command, "--out", str(tmp_path)], capture_output=True, check=True)
    (manifest,) = tmp_path.glob("kmnist_fcnn/*/manifest.json")
    assert files.read_json(manifest)["precision"] == other


def is_worker(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return "kerasexp.workflows.tuning_workers" in process.cmdline()
    return False


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra cluster")
def test_a_cluster_whose_worker_is_killed(small_data, space, tmp_path):
    """Ray's own worker is killed, and with it the process of the trial: it goes on in a new one."""
    words = ["tune", "kmnist_fcnn", "--trials", "3", "--epochs", "10", "--space", str(space), "--data", str(small_data)]
    for setting in SETTINGS:
        words += ["--set", setting]
    out, alone = tmp_path / "cluster", tmp_path / "alone"
    spread = [*COMMAND, *words, "--out", str(out), "--cluster", "local", "--cpus-per-run", "1", "--json"]
    process = subprocess.Popen(spread, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 240
    while not list(out.glob("kmnist_fcnn/*/state/0*")):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    trainer = next(one for one in psutil.Process(process.pid).children(recursive=True) if is_worker(one))
    trainer.parent().send_signal(signal.SIGKILL)
    answer, told = process.communicate(timeout=400)
    assert process.returncode == 0, told
    assert told.count("A worker ended by SIGKILL.") == 1, told
    scores = {row["trial"]: (row["score"], row["values"]) for row in json.loads(answer)["trials"]}
    one_thread = "import sys; from kerasexp import cli, environment; environment.limit_threads(1); sys.exit(cli.main())"
    command = [sys.executable, "-c", one_thread]
    done = subprocess.run([*command, *words, "--out", str(alone), "--json"], capture_output=True, text=True, check=True)
    assert scores == {row["trial"]: (row["score"], row["values"]) for row in json.loads(done.stdout)["trials"]}
    assert len(list((out / "kmnist_fcnn").iterdir())) == 3


@pytest.mark.slow
def test_workers_end_with_a_killed_chief(small_data, space, tmp_path):
    words = [
        "tune",
        "kmnist_fcnn",
        "--trials",
        "2",
        "--epochs",
        "500",
        "--space",
        str(space),
        "--data",
        str(small_data),
    ]
    for setting in SETTINGS:
        words += ["--set", setting]
    process = subprocess.Popen(
        [*COMMAND, *words, "--out", str(tmp_path), "--workers", "2"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 240
    while len(list(tmp_path.glob("kmnist_fcnn/*/state/0*"))) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    children = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive
    statuses = [files.read_json(path)["status"] for path in tmp_path.glob("kmnist_fcnn/*/manifest.json")]
    assert statuses == ["interrupted"] * 2


def test_a_space_names_what_it_sets():
    assert parse_space(SPACE, "space").content()[0] == {
        "name": "optimizer.learning_rate",
        "kind": "log",
        "low": 0.1,
        "high": 2.0,
    }
