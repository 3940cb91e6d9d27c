from __future__ import annotations

import numpy as np
import pytest

from kerasexp.reporting.figures.runs import curves_of_runs, f1_of_runs


def test_a_line_for_each_run_that_has_the_column():
    histories = {
        "a": {"epoch": [1, 2, 3], "val_loss": [3.0, 2.0, 1.0]},
        "b": {"epoch": [1, 2], "val_loss": [2.0, 1.5]},
        "no validation": {"epoch": [1], "loss": [1.0]},
        "no epoch": {},
    }
    figure = curves_of_runs(histories, "val_loss")
    assert [list(line.get_ydata()) for line in figure.axes[0].lines] == [[3.0, 2.0, 1.0], [2.0, 1.5]]
    assert [text.get_text() for text in figure.legends[0].texts] == ["a", "b"]
    assert figure.axes[0].get_ylabel() == "validation loss"


def test_more_runs_than_colours_are_told_by_their_lines():
    histories = {f"run {number}": {"epoch": [1, 2], "loss": [2.0, 1.0]} for number in range(12)}
    styles = {(line.get_color(), line.get_linestyle()) for line in curves_of_runs(histories, "loss").axes[0].lines}
    assert len(styles) == 12


def test_the_seeds_of_a_group_share_a_colour_and_a_name():
    histories = {name: {"epoch": [1, 2], "loss": [2.0, 1.0]} for name in ("a 1", "a 2", "b")}
    figure = curves_of_runs(histories, "loss", {"a 1": "a", "a 2": "a"})
    colours = [line.get_color() for line in figure.axes[0].lines]
    assert colours[0] == colours[1] != colours[2]
    assert [text.get_text() for text in figure.legends[0].texts] == ["a", "b"]


def test_one_epoch_has_whole_numbers_beside_it():
    figure = curves_of_runs({"a": {"epoch": [1], "loss": [2.0]}, "b": {"epoch": [1], "loss": [1.0]}}, "loss")
    assert figure.axes[0].get_xlim() == (0, 2)


@pytest.mark.parametrize("runs", [2, 6])
def test_f1_has_a_point_for_each_class_and_run(runs):
    scores = [[{"value": 0.1 * k + 0.3, "interval": [0.1 * k + 0.2, 0.1 * k + 0.35]} for k in range(4)]] * runs
    figure = f1_of_runs(scores, list("abcd"), [f"run {number}" for number in range(runs)])
    drawn = [container.lines[0].get_xdata() for container in figure.axes[0].containers]
    np.testing.assert_allclose(drawn, [[0.3, 0.4, 0.5, 0.6]] * runs)
    places = np.concatenate([container.lines[0].get_ydata() for container in figure.axes[0].containers])
    assert len(set(np.round(places, 6))) == 4 * runs
