from __future__ import annotations

from pathlib import Path

PTH = Path(__file__).parents[1] / "models" / "numbers" / "state_dict.pth"  # real, but of another network


def test_files_that_are_no_alexnet_are_exit_3(kerasexp, tmp_path):
    answer = kerasexp("weights", "convert", "alexnet", PTH, "--data-dir", tmp_path)
    assert (answer.code, answer.out) == (3, "")
    assert "of another network" in answer.err
    answer = kerasexp("weights", "convert", "alexnet", tmp_path / "none.pth", "--data-dir", tmp_path)
    assert (answer.code, answer.out) == (3, "")
    assert "none.pth is missing" in answer.err
    assert not (tmp_path / "weights").exists()


def test_wrong_words_are_exit_2(kerasexp, tmp_path):
    answer = kerasexp("weights", "convert", "alexnt", PTH)
    assert answer.code == 2
    assert 'Did you mean "alexnet"?' in answer.err
    answer = kerasexp("weights", "convert", "alexnet", PTH, "--out", tmp_path)
    assert answer.code == 2
    assert "ends in .h5" in answer.err
