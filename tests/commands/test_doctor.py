from __future__ import annotations

import json
import sys

from kerasexp import environment
from kerasexp.workflows import doctor as workflow


def test_a_healthy_installation(kerasexp, tmp_path):
    answer = kerasexp("doctor", "--data-dir", tmp_path)
    assert answer.code == 0, answer.out
    for name in (
        "python",
        "packages",
        "tensorflow",
        "processor",
        "memory",
        "gpu",
        "data folder",
        "data kmnist",
        "runs",
    ):
        assert f" {name}: " in answer.out
    assert "kerasexp data get kmnist" in answer.out


def test_json(kerasexp, tmp_path):
    found = json.loads(kerasexp("doctor", "--data-dir", tmp_path, "--json").out)
    assert found["healthy"] is True
    assert found["versions"]["tensorflow"].startswith("2.21.")
    assert {check["status"] for check in found["checks"]} <= {"ok", "note"}
    assert all(
        check["fix"] for check in found["checks"] if check["name"].startswith("data ") and check["status"] != "ok"
    )


def test_a_missing_package_is_broken_and_exit_1(kerasexp, tmp_path, monkeypatch):
    monkeypatch.setattr(workflow.importlib.metadata, "requires", lambda name: ["no-such-package>=3"])
    answer = kerasexp("doctor", "--data-dir", tmp_path)
    assert answer.code == 1
    assert "BROKEN  no-such-package: not installed\n        pip install 'no-such-package>=3'" in answer.out


def test_another_version_is_worth_a_note(kerasexp, tmp_path, monkeypatch):
    requirements = ["numpy<1", "pytest>=1; extra == 'test'"]
    monkeypatch.setattr(workflow.importlib.metadata, "requires", lambda name: requirements)
    answer = kerasexp("doctor", "--data-dir", tmp_path)
    assert answer.code == 0
    assert "packages: 0 of 1 in a supported version" in answer.out
    assert "pip install 'numpy<1'" in answer.out


def test_a_card_that_tensorflow_does_not_see(tmp_path, monkeypatch):
    command = tmp_path / "nvidia-smi"
    command.write_text("#!/bin/sh\necho 'NVIDIA T4, 550.54'\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    (check,) = [check for check in workflow.doctor(tmp_path)["checks"] if check["name"] == "gpu"]
    assert check["status"] == "note"
    assert "NVIDIA T4, driver 550.54" in check["found"]
    assert "kerasexp[gpu]" in check["fix"] or "driver" in check["fix"]

    command.write_text("#!/bin/sh\necho 'NVIDIA T4, 550.54, 15360 MiB'\necho 'NVIDIA T4, 550.54, 15360 MiB'\n")
    (check,) = [check for check in workflow.doctor(tmp_path)["checks"] if check["name"] == "gpu"]
    assert check["found"].count("NVIDIA T4, driver 550.54, 15360 MiB") == 2

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    (check,) = [check for check in workflow.doctor(tmp_path)["checks"] if check["name"] == "gpu"]
    assert "CUDA_VISIBLE_DEVICES" in check["fix"]


def test_a_broken_tensorflow_is_told_among_the_rest(kerasexp, monkeypatch):
    environment._tensorflow.cache_clear()
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    answer = kerasexp("doctor")
    monkeypatch.undo()
    environment._tensorflow()
    assert answer.code == 1
    assert "BROKEN  tensorflow: TensorFlow cannot be imported" in answer.out
    assert "ok      processor" in answer.out
    assert "Traceback" not in answer.err
