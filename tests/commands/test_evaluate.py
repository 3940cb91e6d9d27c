from __future__ import annotations

import json


def test_a_table_with_intervals(kerasexp, run_folder):
    answer = kerasexp("evaluate", run_folder)
    assert answer.code == 0, answer.err
    assert "last (epoch 2)" in answer.out
    assert "% (" in answer.out
    assert answer.out.count(" to ") >= 5  # accuracy and macro F1 of two splits, F1 of three classes


def test_json_is_the_content_of_metrics_json(kerasexp, run_folder):
    answer = kerasexp("evaluate", run_folder, "--json")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out) == json.loads((run_folder / "metrics.json").read_text())


def test_no_such_run_is_exit_3(kerasexp, tmp_path):
    assert kerasexp("evaluate", tmp_path).code == 3
