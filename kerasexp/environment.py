"""The machine and the libraries: how TensorFlow is started, what runs here, and in which precision."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kerasexp.errors import KerasexpError, UsageError, did_you_mean

PRECISIONS = ("auto", "float32", "bfloat16", "tensorfloat32")
TENSORFLOAT32_SINCE = (8, 0)  # compute capability of the first NVIDIA GPUs that multiply in it
BFLOAT16_FLAGS = {"amx_bf16", "avx512_bf16"}  # processor flags of units that multiply in bfloat16
BFLOAT16_OPTION = "auto_mixed_precision_onednn_bfloat16"  # of TensorFlow's graph optimizer
# of `versions` and `hardware`: what can change the bits of a computation
DECIDE_BITS = ("tensorflow", "keras", "numpy", "scipy", "scikit-learn", "processor", "threads", "gpu")


def start_tensorflow(precision: str = "float32") -> None:
    """Imports TensorFlow quietly and sets it up; the only place that does. Further calls only change the precision.

    Operations are deterministic from here on, and a GPU's memory is taken as it is needed. Weights and optimizer are
    float32 always; for `bfloat16` a processor, and for `tensorfloat32` a GPU, rounds what it multiplies and convolves.
    Each leaves the other kind of device in float32, so that a run can be evaluated wherever it was trained.

    Args:
        precision: `float32`, `bfloat16` or `tensorfloat32`, as `resolve_precision` gives it.

    Raises:
        UsageError: for another precision.
        KerasexpError: if TensorFlow cannot be imported.
    """
    if precision not in PRECISIONS[1:]:
        raise UsageError(f'Unknown precision "{precision}". {did_you_mean(precision, PRECISIONS[1:])}')
    tf = _tensorflow()
    tf.config.optimizer.set_experimental_options({BFLOAT16_OPTION: precision == "bfloat16"})
    if gpus():
        tf.config.experimental.enable_tensor_float_32_execution(precision == "tensorfloat32")


def ensure_tensorflow() -> None:
    """Starts TensorFlow in float32, unless it was started before."""
    if not _tensorflow.cache_info().currsize:
        start_tensorflow()


def precision_in_use() -> str:
    """`float32`, `bfloat16` or `tensorfloat32`: what the device in use makes of what `start_tensorflow` has set."""
    config = _tensorflow().config
    if gpus():
        return "tensorfloat32" if config.experimental.tensor_float_32_execution_enabled() else "float32"
    return "bfloat16" if config.optimizer.get_experimental_options().get(BFLOAT16_OPTION) else "float32"


def resolve_precision(wanted: str) -> str:
    """The precision to train in.

    Args:
        wanted: `float32`, `bfloat16`, `tensorfloat32`, or `auto`: tensorfloat32 or bfloat16 where the GPU or, without
            one, the processor has units for it, else float32.

    Returns:
        `float32`, `bfloat16` or `tensorfloat32`.

    Raises:
        UsageError: for any other word, or a precision that the device in use does not have.
    """
    if wanted not in PRECISIONS:
        raise UsageError(f'Unknown precision "{wanted}". {did_you_mean(wanted, PRECISIONS)}')
    _tensorflow()
    if wanted == "auto":
        if gpus():
            return "tensorfloat32" if has_tensorfloat32() else "float32"
        return "bfloat16" if has_bfloat16() else "float32"
    if wanted == "bfloat16" and gpus():
        raise UsageError(
            "bfloat16 runs on the processor only, and TensorFlow sees a GPU. Use --devices cpu, or train with "
            "--precision auto."
        )
    if wanted == "tensorfloat32" and not has_tensorfloat32():
        raise UsageError(
            "tensorfloat32 needs an NVIDIA GPU of compute capability 8.0 or more, and TensorFlow sees none. Run it "
            "where there is one, or train with --precision float32."
        )
    return wanted


def versions() -> dict[str, str | None]:
    """The versions of Python and of the libraries that decide a run's bits; None for one that is not installed."""
    return {
        "python": platform.python_version(),
        "tensorflow": _version("tensorflow", "tensorflow-cpu"),
        "keras": _version("keras"),
        "numpy": _version("numpy"),
        "scipy": _version("scipy"),
        "scikit-learn": _version("scikit-learn"),
    }


def hardware() -> dict[str, Any]:
    """What a run runs on.

    Returns:
        `processor` (name), `cores` (usable by this process), `threads` (of one TensorFlow operation), `memory` (bytes,
        None where the system does not say), `gpu` (names; empty before TensorFlow is imported) and `bfloat16` (whether
        the processor has units for it).
    """
    return {
        "processor": processor_name(),
        "cores": cores(),
        "threads": threads(),
        "memory": memory(),
        "gpu": gpus(),
        "bfloat16": has_bfloat16(),
    }


def git_state() -> str | None:
    """The commit of the checkout that kerasexp runs from, with `+changes` if tracked files differ from it.

    Returns:
        None for an installed package, and wherever git cannot tell.
    """
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        changes = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+changes" if changes else "")


def processor_name() -> str:
    """The name of the processor, as its maker writes it."""
    return _cpuinfo().get("model name") or platform.processor() or platform.machine()


def has_bfloat16() -> bool:
    """Whether the processor has units that multiply in bfloat16."""
    return not BFLOAT16_FLAGS.isdisjoint(_cpuinfo().get("flags", "").split())


def has_tensorfloat32() -> bool:
    """Whether every GPU that TensorFlow may use multiplies in TensorFloat-32, and there is one."""
    config = _tensorflow().config
    details = map(config.experimental.get_device_details, config.get_visible_devices("GPU"))
    capabilities = [one.get("compute_capability", (0, 0)) for one in details]
    return bool(capabilities) and min(capabilities) >= TENSORFLOAT32_SINCE


def cores() -> int:
    """How many cores this process may use: those it may be scheduled on, within the limit of its container."""
    quota = _cpu_quota()
    return max(1, min(_schedulable(), round(quota) if quota else sys.maxsize))


def threads() -> int:
    """How many threads one TensorFlow operation uses."""
    tf = sys.modules.get("tensorflow")
    return (tf.config.threading.get_intra_op_parallelism_threads() if tf else 0) or _schedulable()


def limit_threads(count: int) -> None:
    """Sets how many threads one TensorFlow operation uses; before the first operation of this process."""
    _tensorflow().config.threading.set_intra_op_parallelism_threads(count)


def memory() -> int | None:
    """The memory that this process may use, in bytes: the machine's, or less where its container has a limit."""
    found = []
    with contextlib.suppress(ValueError, OSError, AttributeError):
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        text = _read(path).strip()
        if text.isdecimal():
            found.append(int(text))
    return min(found, default=None)


def gpus() -> list[str]:
    """The names of the GPUs that TensorFlow sees and may use; empty before TensorFlow is imported."""
    tf = sys.modules.get("tensorflow")
    if tf is None:
        return []
    devices = tf.config.get_visible_devices("GPU")
    return [tf.config.experimental.get_device_details(device).get("device_name", device.name) for device in devices]


@functools.cache
def _tensorflow() -> Any:
    """TensorFlow, imported quietly and set up, once."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with silent_stderr():
            import tensorflow as tf

            devices = tf.config.list_physical_devices("GPU")
    except (ImportError, OSError) as error:
        reason = " ".join(str(error).split())
        raise KerasexpError(
            f"TensorFlow cannot be imported: {reason}. Install kerasexp again in a new environment."
        ) from error
    tf.config.experimental.enable_op_determinism()
    tf.get_logger().setLevel("ERROR")  # several trainings in one process are no mistake that needs a warning each
    for device in devices:
        # refused where someone has used the GPU before us; then it stays as they set it
        with contextlib.suppress(RuntimeError):
            tf.config.experimental.set_memory_growth(device, True)
    return tf


@contextlib.contextmanager
def silent_stderr() -> Iterator[None]:
    """Drops what C++ code writes to standard error: TensorFlow greets at every log level."""
    if sys.stderr is None:  # closed by the caller: nothing to silence
        yield
        return
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def _version(*names: str) -> str | None:
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(name)
    return None


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


@functools.cache
def _cpuinfo() -> dict[str, str]:
    """What Linux says of the first processor."""
    pairs = (line.partition(":") for line in _read("/proc/cpuinfo").partition("\n\n")[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _schedulable() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_quota() -> float | None:
    """How many cores' time the container may use, or None without a limit."""
    limit, _, period = _read("/sys/fs/cgroup/cpu.max").strip().partition(" ")
    if not limit:
        limit = _read("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").strip()
        period = _read("/sys/fs/cgroup/cpu/cpu.cfs_period_us").strip()
    return int(limit) / int(period) if limit.isdecimal() and period.isdecimal() else None
