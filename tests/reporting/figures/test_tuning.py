from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex

from kerasexp.reporting.figures.style import PAPER
from kerasexp.reporting.figures.tuning import importance_of_settings, parallel_coordinates, scores_over_trials


def test_the_best_so_far_never_falls():
    figure = scores_over_trials([1, 2, 4], [0.5, 0.7, 0.6])
    best, trials = figure.axes[0].lines
    np.testing.assert_array_equal(best.get_ydata(), [0.5, 0.7, 0.7])
    np.testing.assert_array_equal(trials.get_ydata(), [0.5, 0.7, 0.6])
    assert list(trials.get_xdata()) == [1, 2, 4]


def test_a_bar_for_each_setting_the_first_at_the_top():
    ax = importance_of_settings(["a", "b"], [0.75, 0.25]).axes[0]
    assert [bar.get_width() for bar in ax.patches] == [0.75, 0.25]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a", "b"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


@pytest.mark.parametrize("scores", [[0.5, 0.9, 0.7], [0.5, 0.5, 0.5]])
def test_a_line_through_every_value_of_each_trial(scores):
    rows = [
        {"name": "rate", "places": [0.0, 0.5, 1.0], "ticks": [(0.0, "0.1"), (1.0, "1")]},
        {"name": "size", "places": [1.0, 1.0, 0.0], "ticks": [(n / 20, f"number {n}") for n in range(21)]},
    ]
    ax = parallel_coordinates(rows, scores).axes[0]
    lines = [list(line.get_xdata()) for line in ax.lines if len(line.get_xdata()) == 3]
    ends = [(score - 0.5) / 0.4 if len(set(scores)) > 1 else 0.5 for score in scores]
    wanted = [[0.0, 1.0, ends[0]], [0.5, 1.0, ends[1]], [1.0, 0.0, ends[2]]]
    np.testing.assert_allclose(sorted(lines), sorted(wanted))
    words = [text.get_text() for text in ax.texts]
    assert {"rate", "size", "validation accuracy", "number 0", "number 20"} <= set(words)
    assert {to_hex(text.get_bbox_patch().get_facecolor()) for text in ax.texts} == {PAPER}  # no line under letters
    assert len(words) < 15  # what does not fit side by side is left out
