"""The promise: a run killed at any instant and resumed equals the uninterrupted run, bit for bit."""

from __future__ import annotations

import functools
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import kerasexp
from kerasexp import files
from kerasexp.config.loading import load_experiment
from kerasexp.models.saved import load_model
from kerasexp.runs import Run, open_run, read_history
from kerasexp.training import trainer
from kerasexp.training.progress import Progress
from kerasexp.training.state import StateFolder
from tests.training.examples import clustering, digits, made_run, train_run

# A small network on the bundled digits: dropout is on, the plateau counts from the second epoch on, each call is saved.
EPOCHS = 3
SETTINGS = ["model.filters=[4,8]", "model.dense=16", "save_seconds=0", "reduce_learning_rate.min_delta=10.0"]
SETTINGS += ["reduce_learning_rate.patience=2", "optimizer.learning_rate=0.5"]
ARGUMENTS = {"augment": 3, "data": "mnist5k", "epochs": EPOCHS, "set": SETTINGS}


COMMAND = [sys.executable, "-c", "import sys; from kerasexp.cli import main; sys.exit(main())"]


def start(out: Path) -> subprocess.Popen:
    """The same training as a real command in a process of its own."""
    words = ["train", "kmnist_cnn", "--augment", "3", "--data", "mnist5k", "--epochs", str(EPOCHS), "--out", str(out)]
    for setting in SETTINGS:
        words += ["--set", setting]
    # a test that nohup started would hand its deafness to SIGHUP on
    hearing = functools.partial(signal.signal, signal.SIGHUP, signal.SIG_DFL)
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen([*COMMAND, *words], **pipes, text=True, preexec_fn=hearing)


def the_run(out: Path) -> Run:
    (folder,) = (out / "kmnist_cnn").iterdir()
    return open_run(folder)


def wait_for(condition, process: subprocess.Popen) -> None:
    """Looks every few milliseconds; a process that ends too early is a failure."""
    deadline = time.monotonic() + 240
    while not condition():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def position(out: Path):
    folders = list((out / "kmnist_cnn").glob("*/state"))
    try:
        return StateFolder(folders[0]).load_position() if folders else None
    except (OSError, kerasexp.errors.DataError):  # between two generations
        return None


def assert_equal_runs(one: Run, other: Run) -> None:
    for name in ("model.keras", "best.keras"):
        assert one.path(name).exists() == other.path(name).exists()
        if one.path(name).exists():
            weights = [load_model(run.path(name))[0].get_weights() for run in (one, other)]
            assert all(np.array_equal(a, b) for a, b in zip(*weights, strict=True)), name
    histories = [read_history(run.path("history.csv")) for run in (one, other)]
    for history in histories:
        for row in history:
            del row["seconds"]
    assert histories[0] == histories[1]
    assert files.read_json(one.path("metrics.json")) == files.read_json(other.path("metrics.json"))
    assert one.manifest["images_seen"] == other.manifest["images_seen"]


def events(run: Run) -> list[tuple[str, int]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(run.path("events")), size_guidance={"tensors": 0})
    accumulator.Reload()
    return [(tag, event.step) for tag in accumulator.Tags()["tensors"] for event in accumulator.Tensors(tag)]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> Run:
    return kerasexp.train("kmnist_cnn", out=tmp_path_factory.mktemp("uninterrupted"), **ARGUMENTS)


def test_killed_in_mid_epoch_and_resumed(tmp_path, uninterrupted):
    process = start(tmp_path)
    wait_for(lambda: (p := position(tmp_path)) and p.epoch >= 1 and p.step > 0, process)
    process.kill()
    process.wait()
    run = the_run(tmp_path)
    killed_at = StateFolder(run.path("state")).load_position()
    assert killed_at.epoch >= 1
    assert run.manifest["status"] == "running"
    # a save that was cut short lies there too
    unfinished = run.path("state", ".unfinished-999999")
    unfinished.mkdir()
    (unfinished / ".variables.1.part.npz").write_bytes(b"half")
    kerasexp.resume(run)
    assert_equal_runs(run, uninterrupted)
    assert not unfinished.exists()
    assert run.manifest["status"] == "complete"
    assert sorted(events(run)) == sorted(events(uninterrupted))
    assert len(events(run)) == len(set(events(run))) == EPOCHS * 6


@pytest.mark.slow
def test_killed_before_the_first_save_starts_again_from_its_seed(tmp_path, uninterrupted):
    process = start(tmp_path)
    wait_for(lambda: list((tmp_path / "kmnist_cnn").glob("*/manifest.json")), process)
    process.kill()
    process.wait()
    run = kerasexp.resume(the_run(tmp_path))
    assert_equal_runs(run, uninterrupted)  # which is also: two fresh runs of one seed are equal


def test_a_complete_run_is_left_as_it_is(uninterrupted):
    before = uninterrupted.path("manifest.json").read_bytes()
    kerasexp.resume(uninterrupted)
    assert uninterrupted.path("manifest.json").read_bytes() == before


@pytest.mark.slow
def test_stopped_by_time_after_its_first_steps_and_resumed(tmp_path, uninterrupted):
    run = kerasexp.train("kmnist_cnn", out=tmp_path, max_time=1e-6, **ARGUMENTS)
    for steps in (1, 2):  # each time it gets on
        assert run.manifest["status"] == "stopped"
        assert run.manifest["stop_reason"] == "the time limit"
        assert StateFolder(run.path("state")).load_position().step == steps
        kerasexp.resume(run, max_time=1e-6)
    kerasexp.resume(run)
    assert_equal_runs(run, uninterrupted)


SLOWER = [pytest.param(number, marks=pytest.mark.slow) for number in (signal.SIGINT, signal.SIGHUP)]


@pytest.mark.parametrize("number", [signal.SIGTERM, *SLOWER])
def test_a_signal_saves_and_exits_with_130(tmp_path, number):
    process = start(tmp_path)
    wait_for(lambda: (p := position(tmp_path)) and p.epoch >= 1, process)
    process.send_signal(number)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert "kerasexp resume" in errors.splitlines()[-1]
    assert "Traceback" not in errors
    assert the_run(tmp_path).manifest["status"] == "interrupted"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_at_the_start_is_told(tmp_path, number):
    process = start(tmp_path)
    assert process.stderr.readline() == "Starting TensorFlow\n"
    process.send_signal(number)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "Error: Interrupted; nothing was trained yet."
    assert "Traceback" not in errors
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_the_evaluation_says_how_to_go_on(tmp_path, number, uninterrupted):
    process = start(tmp_path)
    for line in process.stderr:
        if line.startswith("Evaluating"):
            break
    process.send_signal(number)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert "kerasexp resume" in errors.splitlines()[-1]
    run = the_run(tmp_path)
    assert run.manifest["status"] == "interrupted"
    kerasexp.resume(run)
    assert_equal_runs(run, uninterrupted)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_killed_again_and_again_at_random_instants(tmp_path, seed, uninterrupted):
    chance = random.Random(seed)
    process = start(tmp_path)
    wait_for(lambda: position(tmp_path), process)
    for _ in range(4):
        time.sleep(chance.uniform(0, 5))
        process.kill()
        process.wait()
        run = the_run(tmp_path)
        if run.manifest["status"] == "complete":
            break
        process = subprocess.Popen([*COMMAND, "resume", str(run)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(4, 10))
    process.kill()
    process.wait()
    assert_equal_runs(kerasexp.resume(the_run(tmp_path)), uninterrupted)


class Killed(BaseException):
    """The end of a process at an instant that we choose."""


class KillingProgress(Progress):
    """Writes down what it is told; kills the training after a step, before the state of that step is saved."""

    def __init__(self, stage: int, epoch: int, step: int):
        self.instant = (stage, epoch, step)
        self.stage = -1
        self.notes = []

    def note(self, text):
        self.notes.append(text)

    def started(self, *arguments, **settings):
        self.stage += 1

    def advanced(self, epoch, step, logs, images_per_second):
        if (self.stage, epoch, step) == self.instant:
            raise Killed


@pytest.fixture(scope="module")
def uninterrupted_clustering(tmp_path_factory):
    dataset = digits()
    run = made_run(clustering(), dataset, tmp_path_factory.mktemp("clustering"))
    return run, train_run(run, dataset)


def test_all_stages_of_a_run_are_in_its_events(uninterrupted_clustering):
    run, _ = uninterrupted_clustering
    rows = read_history(run.path("history.csv"))
    assert [row["stage"] for row in rows] == [1, 1, 1, 2, 3, 3]
    assert {(name, row["epoch"]) for row in rows for name in row if name != "epoch"} == set(events(run))


# in the autoencoder; after k-means, before it is saved; while its epoch measures; in the joint training
@pytest.mark.parametrize(
    "instant",
    [
        pytest.param((0, 1, 2), marks=pytest.mark.slow),
        pytest.param((1, 0, 1), marks=pytest.mark.slow),
        pytest.param((1, 0, 4), marks=pytest.mark.slow),
        (2, 1, 4),
    ],
    ids=str,
)
def test_a_deep_k_means_killed_and_resumed(instant, tmp_path, monkeypatch, uninterrupted_clustering):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(trainer, "SECONDS_PER_CALL", 0.0)  # a look after every step
    dataset = digits()
    run = made_run(clustering(shared=True, save_seconds=0), dataset, tmp_path)
    with pytest.raises(Killed):
        trainer.train(run, run.experiment, dataset, KillingProgress(*instant))
    outcome = train_run(run, dataset)
    expected_run, expected = uninterrupted_clustering
    assert outcome.status == "complete"
    pairs = zip(outcome.model.get_weights(), expected.model.get_weights(), strict=True)
    assert all(np.array_equal(one, other) for one, other in pairs)
    histories = [read_history(one.path("history.csv")) for one in (run, expected_run)]
    for history in histories:
        for row in history:
            del row["seconds"]
    assert histories[0] == histories[1]
    before = [files.read_npz(one.path("before_joint.npz")) for one in (run, expected_run)]
    assert all(np.array_equal(before[0][name], before[1][name]) for name in ("embedding", "representatives"))


def test_a_run_on_features_that_goes_on_without_them_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(trainer, "SECONDS_PER_CALL", 0.0)
    config = ["trainable_from=dense1", "epochs=2", "batch_size=32", "save_seconds=0", "early_stopping=null"]
    experiment = load_experiment("kmnist_cnn", overrides=[*config, "reduce_learning_rate=null"])
    dataset = digits()
    run = made_run(experiment, dataset, tmp_path)
    for instant in ((0, 0, 3), (0, 1, 2)):
        progress = KillingProgress(*instant)
        with pytest.raises(Killed):
            trainer.train(run, experiment, dataset, progress)
    assert progress.notes == []  # it found the features again
    monkeypatch.setenv("KERASEXP_CACHE_GB", "0")
    (tmp_path / "kerasexp" / "features").rename(tmp_path / "gone")
    progress = KillingProgress(0, 9, 9)
    assert trainer.train(run, experiment, dataset, progress).status == "complete"
    text = "The bits may differ .*: the frozen part was computed once and is computed in every step now"
    assert re.search(text, progress.notes[-1])
    assert re.search(text, run.path("run.log").read_text())
