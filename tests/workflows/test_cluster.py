"""Plans on a Ray cluster: what machines are given, and real plans on a local cluster, with workers that are killed."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import os
import signal
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from kerasexp.errors import Interrupted, KerasexpError, UsageError
from kerasexp.models.saved import load_model
from kerasexp.runs import Run, find_runs
from kerasexp.training.state import StateFolder
from kerasexp.workflows import cluster as cluster_file
from kerasexp.workflows.cluster import Cluster, Share
from kerasexp.workflows.plan import Place, run_plan
from kerasexp.workflows.planned import PlannedRun, plan_run

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra cluster")


@pytest.fixture(scope="module")
def plan() -> list[PlannedRun]:
    """Two seeds of a small network with dropout on the bundled digits; each call of the training is saved."""
    settings = ["model.filters=[4,8]", "model.dense=16", "save_seconds=0"]
    words = {"augment": 3, "data": "mnist5k", "epochs": 3, "set": settings}
    return [plan_run("kmnist_cnn", seed=seed, **words) for seed in (1, 2)]


# What the machines are given


@pytest.mark.parametrize(
    ("machines", "wanted", "share", "at_once"),
    [
        ([{"CPU": 8.0}], None, Share(8, 0), 1),
        ([{"CPU": 8.0}, {"CPU": 16.0}], None, Share(8, 0), 3),  # equally many threads everywhere
        ([{"CPU": 8.0}, {}], None, Share(8, 0), 1),  # a head that runs nothing
        ([{"CPU": 8.0}, {"CPU": 6.0}], 4, Share(4, 0), 3),
        ([{"CPU": 8.0}, {"CPU": 32.0, "GPU": 4.0}], None, Share(8, 1), 4),
        ([{"CPU": 32.0, "GPU": 4.0}], 16, Share(16, 1), 2),
        ([{"CPU": 2.0, "GPU": 4.0}], None, Share(1, 1), 2),
    ],
)
def test_every_run_gets_the_same_share(machines, wanted, share, at_once):
    assert Share.of(machines, wanted) == share
    assert sum(share.fits(machine) for machine in machines) == at_once


@pytest.mark.parametrize("machines", [[{"CPU": 8.0}, {"CPU": 4.0}], [{"CPU": 8.0, "GPU": 1.0}, {"CPU": 64.0}]])
def test_a_share_that_no_machine_has_is_refused(machines):
    with pytest.raises(UsageError, match=r"with 9 cores.*the largest has 8 cores"):
        Share.of(machines, 9)


def test_a_cluster_without_any_cores_is_refused():
    with pytest.raises(UsageError, match="no machine for runs with 1 core"):
        Share.of([{}])


@pytest.mark.parametrize("address", ["lokal", "host", "host:", ":6379", "ray://host:10001", "a b:1", ""])
def test_another_address_is_refused(address):
    with pytest.raises(UsageError, match="--cluster: expected local, auto or HOST:PORT"):
        Cluster(address)


def test_no_cores_are_refused():
    with pytest.raises(UsageError, match="--cpus-per-run: expected 1 or more"):
        Cluster("local", 0)


def test_cores_without_a_cluster_are_refused(plan):
    with pytest.raises(UsageError, match="Expected --cluster with it"):
        run_plan(plan, cpus_per_run=1)


def test_without_ray_the_extra_is_named(monkeypatch, plan, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(KerasexpError, match=r'pip install "kerasexp\[cluster\]"'):
        run_plan(plan, out=tmp_path / "runs", cluster="local")
    assert not (tmp_path / "runs").exists()


# Before the first run


@pytest.fixture
def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


@needs_ray
def test_a_cluster_that_is_not_there_is_told_at_once(plan, tmp_path, free_port):
    began = time.monotonic()
    with pytest.raises(KerasexpError, match="cannot be used: .*refused.*ray start --head"):
        run_plan(plan, out=tmp_path, cluster=f"127.0.0.1:{free_port}")
    assert time.monotonic() - began < 10


@needs_ray
def test_a_finished_plan_needs_no_cluster(trained_run, free_port, capsys):
    done = PlannedRun(trained_run.experiment, trained_run.manifest["command"])
    out = trained_run.folder.parents[1]
    outcomes = run_plan([done, done], out=out, cluster=f"127.0.0.1:{free_port}")
    assert [outcome.what for outcome in outcomes] == ["reused", "reused"]
    assert "run 2 of 2: reused" in capsys.readouterr().err


def test_a_machine_must_be_as_the_plan_expects(tmp_path):
    here = cluster_file.code_version()
    cluster_file.check_machine("far", Place(tmp_path), here)
    with pytest.raises(KerasexpError, match=r"far has kerasexp .*the plan comes from 0\.0\.1"):
        cluster_file.check_machine("far", Place(tmp_path), ("0.0.1", here[1]))
    with pytest.raises(KerasexpError, match="far has no folder .* that all machines of the cluster share"):
        cluster_file.check_machine("far", Place(tmp_path / "none"), here)


# Real plans on a local cluster


def assert_equal_weights(one: Run, other: Run) -> None:
    weights = [load_model(run.path("model.keras"))[0].get_weights() for run in (one, other)]
    assert all(np.array_equal(a, b) for a, b in zip(*weights, strict=True))
    assert one.path("history.csv").read_text().count("\n") == other.path("history.csv").read_text().count("\n")


@pytest.fixture(scope="module")
def sequential(plan, tmp_path_factory) -> list[Run]:
    return [outcome.run for outcome in run_plan(plan, out=tmp_path_factory.mktemp("sequential"))]


def once_it_trains(out: Path, then) -> threading.Thread:
    """Calls `then` with the first run that is in the middle of its second epoch."""

    def watch():
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            for run in find_runs(out):
                position = None
                with contextlib.suppress(OSError, KerasexpError):  # between two generations
                    position = StateFolder(run.path("state")).load_position()
                if position and position.epoch >= 1 and position.step > 0:
                    then(run)
                    return
            time.sleep(0.01)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def kill_worker(run: Run) -> None:
    """SIGKILL for the worker that holds the run; on a busy machine a first look may miss it."""
    import psutil

    killed = False
    while not killed and run.manifest["status"] == "running":
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if any(file.path == str(run.path("lock")) for file in process.open_files()):
                    process.kill()
                    process.wait(60)
                    killed = True


@needs_ray
@pytest.mark.slow
def test_a_killed_worker_costs_nothing_but_time(plan, sequential, tmp_path, capfd):
    import psutil

    once_it_trains(tmp_path, kill_worker)
    outcomes = run_plan(plan, out=tmp_path, cluster="local", group="pair")
    out, err = capfd.readouterr()
    assert out == ""  # Ray prints nothing where the results go
    assert err.count("its worker has died (WorkerCrashedError); it goes on from its last saved state") == 1
    assert "from epoch 2" in err or "from epoch 3" in err
    assert sorted(outcome.what for outcome in outcomes) == ["resumed", "trained"]
    assert all(outcome.is_complete for outcome in outcomes)
    assert [outcome.run.manifest["seed"] for outcome in outcomes] == [1, 2]
    assert len(find_runs(tmp_path, group="pair")) == 2
    for outcome, alone in zip(outcomes, sequential, strict=True):
        assert outcome.run.manifest["hardware"]["threads"] == alone.manifest["hardware"]["threads"]
        assert_equal_weights(outcome.run, alone)
    left = [process.name() for process in psutil.Process().children(recursive=True)]
    assert not [name for name in left if "ray" in name or "gcs" in name]


@pytest.fixture(scope="module")
def two_at_once(tmp_path_factory):
    """A Ray cluster that is there before, with room for two runs of a core."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("needs the extra cluster")
    ray = cluster_file.import_ray()
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


@pytest.mark.slow
def test_ctrl_c_saves_all_and_the_same_plan_goes_on(two_at_once, plan, tmp_path, capfd):
    once_it_trains(tmp_path, lambda run: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(Interrupted, match="0 of 2 runs are finished. The same command goes on"):
        run_plan(plan, out=tmp_path, cluster="local", cpus_per_run=1)
    err = capfd.readouterr().err
    assert "1 machine, 2 runs at a time with 1 core each" in err
    assert "Saving 2 runs" in err
    statuses = [run.manifest["status"] for run in find_runs(tmp_path)]
    assert "interrupted" in statuses
    again = run_plan(plan, out=tmp_path, cluster="local", cpus_per_run=1)
    assert all(outcome.is_complete for outcome in again)
    assert len(find_runs(tmp_path)) == 2
    assert [outcome.run.manifest["hardware"]["threads"] for outcome in again] == [1, 1]


@pytest.mark.slow
def test_what_fails_does_not_stop_the_rest_and_the_same_run_is_made_once(two_at_once, small_data, tmp_path):
    words = {"recipe": "sound", "data": small_data, "epochs": 2}
    good = plan_run("kmnist_fcnn", **words)
    bad = plan_run("kmnist_fcnn", set=["optimizer.learning_rate=1e38"], **words)
    lost = plan_run("kmnist_fcnn", data=tmp_path / "no.npz")
    outcomes = run_plan([bad, good, lost, good], out=tmp_path / "runs", cluster="local", cpus_per_run=1)
    assert [outcome.what for outcome in outcomes] == ["failed", "trained", "failed", "reused"]
    assert "The loss became" in outcomes[0].reason
    assert [type(outcome.error).__name__ for outcome in outcomes[::2]] == ["KerasexpError", "DataError"]
    assert str(outcomes[1].run) == str(outcomes[3].run)


@pytest.mark.slow
def test_time_that_is_up(two_at_once, small_data, tmp_path):
    plan = [plan_run("kmnist_fcnn", data=small_data, seed=seed) for seed in (1, 2, 3)]  # ten thousand epochs each
    outcomes = run_plan(plan, out=tmp_path, cluster="local", cpus_per_run=1, max_time=20)
    assert [outcome.what for outcome in outcomes] == ["trained", "trained", "not started"]
    assert [outcome.reason for outcome in outcomes] == ["stopped by the time limit"] * 2 + ["the time was up"]


@pytest.mark.slow
def test_a_run_whose_workers_keep_dying_fails(two_at_once, small_data, tmp_path, capfd):
    planned = plan_run("kmnist_fcnn", data=small_data)
    stop = threading.Event()

    def kill_all():
        while not stop.wait(0.05):
            for run in find_runs(tmp_path):
                kill_worker(run)

    killer = threading.Thread(target=kill_all, daemon=True)
    killer.start()
    try:
        (outcome,) = run_plan([planned], out=tmp_path, cluster="local", cpus_per_run=1)
    finally:
        stop.set()
        killer.join()
    assert outcome.what == "failed"
    assert "its worker has died (WorkerCrashedError), for the 3rd time" in outcome.reason
    assert dataclasses.replace(outcome, error=None) == outcome
