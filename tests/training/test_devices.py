"""One run on several devices or machines: what is asked for, what is refused, and that the result is that of one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from kerasexp.config.loading import load_experiment
from kerasexp.errors import KerasexpError, UsageError
from kerasexp.models.saved import load_model
from kerasexp.runs import Run, find_runs, read_history
from kerasexp.training.devices import Cluster, Devices, parse_devices, read_cluster, start_devices
from kerasexp.training.state import StateFolder

WORKERS = ["host0:2222", "host1:2222"]


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)


def tf_config(workers=WORKERS, kind="worker", index=1, job="worker") -> str:
    return json.dumps({"cluster": {job: workers}, "task": {"type": kind, "index": index}})


def test_words():
    assert parse_devices(None) == parse_devices("auto") == ["auto"]
    assert parse_devices("GPU:0, gpu:2") == ["gpu:0", "gpu:2"]
    assert parse_devices("cpu") == ["cpu"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("gpu", 'unknown word "gpu"'),
        ("tpu:0", 'unknown word "tpu:0"'),
        ("", 'unknown word ""'),
        ("all,gpu:0", "stand alone"),
        ("gpu:0,gpu:0", "different devices of one kind"),
        ("cpu:0,gpu:0", "different devices of one kind"),
    ],
)
def test_words_that_name_no_devices_are_refused(words, message):
    with pytest.raises(UsageError, match=message):
        parse_devices(words)


def test_a_device_that_is_not_there_is_said_with_those_that_are():
    with pytest.raises(UsageError, match=r"no gpu:7 here. TensorFlow sees: cpu.*kerasexp doctor"):
        start_devices("gpu:7")
    with pytest.raises(UsageError, match=r"no cpu:0 here. TensorFlow sees: cpu"):
        start_devices("cpu:0,cpu:1")


def test_one_device_needs_no_strategy():
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        pytest.skip("would hide the GPU from the tests that follow")
    for words in (None, "auto", "cpu", "all"):
        devices = start_devices(words)
        assert (devices.strategy, devices.replicas, devices.sharing) == (None, 1, None)
    assert devices.describe() == {"words": "all", "names": ["cpu"], "replicas": 1, "workers": []}


def test_the_cluster_of_tf_config(monkeypatch):
    assert read_cluster() is None
    monkeypatch.setenv("TF_CONFIG", tf_config())
    assert read_cluster() == Cluster(tuple(WORKERS), 1)
    monkeypatch.setenv("TF_CONFIG", tf_config(WORKERS[:1], index=0))
    assert read_cluster() is None, "one machine is no cluster"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "no cluster and task in JSON"),
        ("[1]", "no cluster and task"),
        ('{"cluster": {"worker": ["a:1"]}}', "no cluster and task.*task"),
        (tf_config(index=2), "no worker 2 among 2"),
        (tf_config(index="x"), "no cluster and task"),
        (tf_config(kind="ps"), "only workers"),
        (tf_config(job="chief"), "only workers"),
        (tf_config(["host0", "host1:1"]), "host:port"),
        (tf_config(["a:1", "a:1"]), "different addresses"),
    ],
)
def test_a_malformed_tf_config_is_refused(monkeypatch, text, message):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UsageError, match=message) as error:
        read_cluster()
    assert "TF_CONFIG" in str(error.value)
    assert '"index": 0' in str(error.value), "an example helps"


def test_machines_that_do_not_come_are_named(monkeypatch):
    from kerasexp.training import devices

    monkeypatch.setattr(devices, "WAIT", 0.5)
    workers = tuple(addresses())
    with pytest.raises(KerasexpError, match=rf"missing: worker 1 \({workers[1]}\). Start the same command"):
        devices._meet(Cluster(workers, 0))
    with pytest.raises(KerasexpError, match=rf"Worker 0 \({workers[0]}\) does not answer: .*refused"):
        devices._meet(Cluster(workers, 1))


def test_machines_meet_whoever_comes_first():
    from kerasexp.training import devices

    workers = (*addresses(), "127.0.0.1:1")
    with ThreadPoolExecutor(3) as pool:
        late = [pool.submit(devices._meet, Cluster(workers, number)) for number in (2, 1)]
        time.sleep(0.2)
        devices._meet(Cluster(workers, 0))
        assert [one.result(timeout=10) for one in late] == [None, None]


class _Four(Devices):
    replicas = 4  # type: ignore[assignment]


def test_what_cannot_be_divided_is_refused():
    experiment = load_experiment("kmnist_cnn", overrides=["batch_size=3"])
    with pytest.raises(UsageError, match=r"batch_size: 3 images cannot be divided among 4 replicas.*batch_size=4"):
        _Four().check(experiment)
    with pytest.raises(UsageError, match=r"scikit-learn solves avp_svm"):
        _Four().check(load_experiment("avp_svm"))
    Devices().check(experiment)
    Devices().check(load_experiment("avp_svm"))


# What follows runs in processes of its own: devices and clusters are chosen when TensorFlow starts.

SETTINGS = ["batch_size=25", "model.filters=[4,8]", "model.dense=16", "optimizer.learning_rate=1.0"]
WORDS = ["train", "kmnist_cnn", "--augment", "2", "--precision", "float32"]
WORDS += [word for setting in SETTINGS for word in ("--set", setting)]
# the second argument: how many logical processors this process has
COMMAND = """
import sys
import tensorflow as tf
(processor,) = tf.config.list_physical_devices("CPU")
if int(sys.argv[1]) > 1:
    parts = [tf.config.LogicalDeviceConfiguration()] * int(sys.argv[1])
    tf.config.set_logical_device_configuration(processor, parts)
from kerasexp.cli import main
sys.exit(main(sys.argv[2:]))
"""


def start(words: list, processors: int = 1, cluster: str = "") -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(processors), *map(str, words)],
        env={**os.environ, "TF_CONFIG": cluster},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def addresses() -> list[str]:
    """Two free ports of this machine."""
    with socket.socket() as one, socket.socket() as other:
        for end in (one, other):
            end.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{end.getsockname()[1]}" for end in (one, other)]


def start_both(words: list) -> list[subprocess.Popen]:
    workers = addresses()
    return [start(words, cluster=tf_config(workers, index=number)) for number in range(2)]


def assert_same_result(run: Run, other: Run) -> None:
    """Equal but for rounding; dropout and the uneven parts of a batch included."""
    weights = [load_model(one.path("model.keras"))[0].get_weights() for one in (run, other)]
    for one, two in zip(*weights, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)
    for one, two in zip(*(read_history(each.path("history.csv")) for each in (run, other)), strict=True):
        for name in set(one) - {"seconds"}:
            assert one[name] == pytest.approx(two[name], abs=1e-5), name


@pytest.fixture(scope="module")
def alone(small_data, tmp_path_factory) -> Run:
    """The run on one device, 2 epochs of 180 images in batches of 25, the last one of 5."""
    import kerasexp

    return kerasexp.train(
        "kmnist_cnn",
        augment=2,
        data=small_data,
        epochs=2,
        precision="float32",
        set=SETTINGS,
        out=tmp_path_factory.mktemp("alone"),
    )


def the_run(out: Path) -> Run:
    (run,) = find_runs(out)
    return run


@pytest.mark.slow
@pytest.mark.parametrize("processors", [2, 3])
def test_several_devices_come_to_the_result_of_one(tmp_path, small_data, alone, processors):
    devices = ",".join(f"cpu:{number}" for number in range(processors))
    words = [*WORDS, "--epochs", 2, "--data", small_data, "--out", tmp_path, "--devices", devices]
    process = start(words, processors)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    run = the_run(tmp_path)
    assert_same_result(run, alone)
    about = run.manifest["devices"]
    assert about == {"words": devices, "names": devices.split(","), "replicas": processors, "workers": []}
    assert run.experiment.digest() == alone.experiment.digest(), "where a run is made is no setting of the experiment"


@pytest.mark.slow
def test_two_machines_come_to_the_result_of_one(tmp_path, small_data, alone):
    chief, other = start_both([*WORDS, "--epochs", 2, "--data", small_data, "--out", tmp_path])
    outputs = [process.communicate(timeout=600)[0] for process in (chief, other)]
    assert [chief.returncode, other.returncode] == [0, 0], outputs
    run = the_run(tmp_path)
    assert_same_result(run, alone)
    assert run.manifest["status"] == "complete"
    assert run.manifest["devices"]["replicas"] == len(run.manifest["devices"]["workers"]) == 2
    assert outputs[0].count("epoch ") >= 2
    assert "epoch" not in outputs[1]
    assert "Worker 1 has done its part" in outputs[1].splitlines()[-1]


@pytest.mark.slow
def test_machines_that_are_about_to_do_different_things_say_so(tmp_path, small_data):
    workers = addresses()
    words = [*WORDS, "--epochs", 2, "--data", small_data, "--out", tmp_path]
    processes = [start([*words, "--seed", number], cluster=tf_config(workers, index=number)) for number in range(2)]
    for process in processes:
        output, _ = process.communicate(timeout=600)
        assert process.returncode == 2, output
        assert "is not like worker 0: different settings" in output.splitlines()[-1]
    assert find_runs(tmp_path) == []


@pytest.mark.slow
def test_a_killed_machine_ends_the_other_and_the_run_goes_on(tmp_path, small_data, alone):
    """Killed after the first saved state, resumed on both machines, and again the result of one."""
    words = [*WORDS, "--epochs", 2, "--data", small_data, "--out", tmp_path, "--set", "save_seconds=0"]
    chief, other = start_both(words)
    deadline = time.monotonic() + 300
    while not list(tmp_path.glob("*/*/state/0*")):
        assert chief.poll() is None, chief.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    other.kill()
    killed = time.monotonic()
    output, _ = chief.communicate(timeout=300)
    assert time.monotonic() - killed < 120
    run = the_run(tmp_path)
    assert chief.returncode == 1, output
    message = output.splitlines()[-1]
    assert message.startswith("Error: Worker 1 (127.0.0.1:")
    assert "The last saved state: epoch" in message
    assert f"kerasexp resume {run}" in message
    assert run.manifest["status"] == "failed"
    assert StateFolder(run.path("state")).load_position() is not None

    processes = start_both(["resume", run.folder])
    outputs = [process.communicate(timeout=600)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert the_run(tmp_path).manifest["status"] == "complete"
    assert_same_result(run, alone)
