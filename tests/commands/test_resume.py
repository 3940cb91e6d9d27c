from __future__ import annotations

import json
import shutil

from kerasexp.runs import open_run


def test_a_complete_run_is_left_as_it_is(kerasexp, run_folder):
    before = open_run(run_folder).manifest
    answer = kerasexp("resume", run_folder, "--json")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["status"] == "complete"
    assert open_run(run_folder).manifest == before


def test_no_such_run_is_exit_3(kerasexp, tmp_path):
    answer = kerasexp("resume", tmp_path / "nothing")
    assert (answer.code, answer.out) == (3, "")
    assert answer.err.startswith("Error: ")
    assert "is no run folder" in answer.err


def test_a_run_of_another_version_is_exit_3(kerasexp, run_folder, tmp_path):
    copy = shutil.copytree(run_folder, tmp_path / "run")
    open_run(copy).update_manifest(format=99)
    answer = kerasexp("resume", copy)
    assert answer.code == 3
    assert "format 99" in answer.err


def test_a_locked_run_is_exit_2(kerasexp, run_folder):
    with open_run(run_folder).locked():
        answer = kerasexp("resume", run_folder)
    assert answer.code == 2
    assert "is locked" in answer.err


def test_a_device_without_the_run_s_precision_goes_on_in_float32(kerasexp, small_data, tmp_path):
    """No processor has tensorfloat32; that a GPU began the run stands in the manifest alone, the state is the same."""
    words = ("train", "kmnist_fcnn", "--data", small_data, "--epochs", 2, "--out", tmp_path, "--max-time", "0.001")
    answer = kerasexp(*words, "--precision", "bfloat16")
    assert answer.code == 0, answer.err
    (folder,) = tmp_path.glob("*/*")
    assert open_run(folder).manifest["status"] == "stopped"
    assert open_run(folder).path("state").exists()
    open_run(folder).update_manifest(precision="tensorfloat32")
    answer = kerasexp("resume", folder)
    assert answer.code == 0, answer.err
    difference = (
        "The bits may differ from those of an uninterrupted run: the precision was tensorfloat32 and is float32"
    )
    assert difference in answer.err
    assert difference in open_run(folder).path("run.log").read_text()
    assert open_run(folder).manifest["status"] == "complete"
