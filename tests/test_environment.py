from __future__ import annotations

import os
import sys
import types
from pathlib import Path

import pytest

from kerasexp import environment
from kerasexp.errors import UsageError

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def tf():
    environment.start_tensorflow("float32")
    return sys.modules["tensorflow"]


@pytest.fixture
def cpuinfo(monkeypatch):
    """Makes the machine say that its processor has these flags."""

    def say(flags: str) -> None:
        monkeypatch.setattr(environment, "_cpuinfo", lambda: {"model name": "Test CPU", "flags": flags})

    return say


@pytest.fixture
def system_files(monkeypatch):
    """Makes the machine's own files hold these texts, and nothing else."""

    def say(texts: dict[str, str]) -> None:
        monkeypatch.setattr(environment, "_read", lambda path: texts.get(path, ""))

    return say


def test_tensorflow_is_deterministic_once_started(tf):
    from tensorflow.python.framework import config

    assert config.is_op_determinism_enabled()


def test_starting_is_quiet_and_leaves_stderr_open(capfd, tf):
    environment._tensorflow.cache_clear()
    environment.start_tensorflow("float32")
    os.write(2, b"still open\n")
    assert capfd.readouterr().err == "still open\n"


def test_precision_can_change_within_one_process(tf):
    for precision in ("bfloat16", "float32", "bfloat16", "float32"):
        environment.start_tensorflow(precision)
        options = tf.config.optimizer.get_experimental_options()
        assert options["auto_mixed_precision_onednn_bfloat16"] is (precision == "bfloat16")
        assert environment.precision_in_use() == precision


def test_unknown_precision(tf):
    with pytest.raises(UsageError, match=r'"float16".*Did you mean "bfloat16"'):
        environment.start_tensorflow("float16")
    with pytest.raises(UsageError, match="Valid: auto, bfloat16, float32, tensorfloat32"):
        environment.resolve_precision("double")


@pytest.mark.parametrize("flags", ["fpu avx512_bf16", "amx_bf16 sse"])
def test_auto_is_bfloat16_where_the_processor_has_units_for_it(cpuinfo, tf, flags):
    cpuinfo(flags)
    assert environment.resolve_precision("auto") == "bfloat16"


def test_auto_is_float32_without_units(cpuinfo):
    cpuinfo("fpu sse avx512f")
    assert environment.resolve_precision("auto") == "float32"


@pytest.fixture
def gpu(cpuinfo, monkeypatch, tf):
    """Makes TensorFlow tell of a card with this compute capability."""
    card = types.SimpleNamespace(name="GPU:0")

    def make(*capability: int) -> None:
        cpuinfo("amx_bf16")
        details = {"device_name": "a card", "compute_capability": capability}
        monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [card])
        monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda device: details)

    yield make
    tf.config.experimental.enable_tensor_float_32_execution(True)  # TensorFlow's default


def test_auto_is_tensorfloat32_on_a_gpu_that_has_it(gpu):
    gpu(7, 5)
    assert environment.resolve_precision("auto") == "float32"
    with pytest.raises(UsageError, match="compute capability 8.0 or more"):
        environment.resolve_precision("tensorfloat32")
    gpu(9, 0)
    assert environment.resolve_precision("auto") == "tensorfloat32"
    assert environment.resolve_precision("float32") == "float32"
    with pytest.raises(UsageError, match="bfloat16 runs on the processor only.*--devices cpu"):
        environment.resolve_precision("bfloat16")


@pytest.mark.parametrize(
    ("precision", "used"), [("float32", "float32"), ("bfloat16", "float32"), ("tensorfloat32", "tensorfloat32")]
)
def test_a_gpu_rounds_only_where_it_is_told_to(gpu, tf, precision, used):
    """What a processor trained in bfloat16 a GPU evaluates in float32."""
    gpu(9, 0)
    environment.start_tensorflow(precision)
    assert tf.config.experimental.tensor_float_32_execution_enabled() is (precision == "tensorfloat32")
    assert environment.precision_in_use() == used


def test_a_processor_evaluates_what_a_gpu_trained(tf):
    environment.start_tensorflow("tensorfloat32")
    assert environment.precision_in_use() == "float32"


def test_an_explicit_precision_is_taken_as_it_is(cpuinfo):
    cpuinfo("fpu")
    assert environment.resolve_precision("bfloat16") == "bfloat16"
    with pytest.raises(UsageError, match="TensorFlow sees none"):
        environment.resolve_precision("tensorfloat32")


def test_versions():
    versions = environment.versions()
    assert list(versions) == ["python", "tensorflow", "keras", "numpy", "scipy", "scikit-learn"]
    assert versions["tensorflow"].startswith("2.21.")
    assert environment._version("no-such-package") is None


def test_hardware():
    hardware = environment.hardware()
    assert list(hardware) == ["processor", "cores", "threads", "memory", "gpu", "bfloat16"]
    assert hardware["processor"]
    assert 1 <= hardware["cores"] <= os.cpu_count()
    assert hardware["threads"] >= 1
    assert hardware["memory"] > 1e8
    assert isinstance(hardware["bfloat16"], bool)


@pytest.mark.parametrize(
    ("texts", "cores"),
    [
        ({}, 16),
        ({"/sys/fs/cgroup/cpu.max": "400000 100000\n"}, 4),
        ({"/sys/fs/cgroup/cpu.max": "max 100000\n"}, 16),
        ({"/sys/fs/cgroup/cpu.max": "20000 100000\n"}, 1),
        ({"/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, 2),
        ({"/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, 16),
    ],
)
def test_cores_keep_to_the_containers_limit(monkeypatch, system_files, texts, cores):
    system_files(texts)
    monkeypatch.setattr(environment, "_schedulable", lambda: 16)
    assert environment.cores() == cores


def test_memory_keeps_to_the_containers_limit(system_files):
    machine = environment.memory()
    system_files({"/sys/fs/cgroup/memory.max": "134217728\n"})
    assert environment.memory() == 134217728
    system_files({"/sys/fs/cgroup/memory.max": "max\n"})
    assert environment.memory() >= machine


def test_git_state_names_the_commit_of_the_checkout():
    state = environment.git_state()
    if not (ROOT / ".git").exists():
        assert state is None
    else:
        assert len(state.removesuffix("+changes")) == 40


def test_git_state_is_none_for_an_installed_package(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "site-packages/kerasexp/environment.py"))
    assert environment.git_state() is None


def test_git_state_never_fails(monkeypatch, tmp_path):
    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "kerasexp/environment.py"))
    assert environment.git_state() is None
    monkeypatch.setenv("PATH", "")
    assert environment.git_state() is None
