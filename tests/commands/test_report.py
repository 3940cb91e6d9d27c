from __future__ import annotations

import json


def test_prints_the_path_of_the_new_report(kerasexp, run_folder):
    (run_folder / "report.html").unlink()
    answer = kerasexp("report", run_folder)
    assert answer.code == 0, answer.err
    assert answer.out == f"{run_folder / 'report.html'}\n"
    assert (run_folder / "report.html").stat().st_size > 1000
    assert json.loads(kerasexp("report", run_folder, "--json").out) == {"report": str(run_folder / "report.html")}


def test_no_such_run_is_exit_3(kerasexp, tmp_path):
    answer = kerasexp("report", tmp_path)
    assert (answer.code, answer.out) == (3, "")
