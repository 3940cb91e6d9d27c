from __future__ import annotations

import pytest

from kerasexp.evaluation.comparison import TestAccuracy as Accuracy
from kerasexp.evaluation.comparison import differences, winner
from kerasexp.evaluation.statistics import newcombe


def test_a_clear_difference_has_a_better_side():
    (pair,) = differences([Accuracy("a", 9000, 10000), Accuracy("a", 9200, 10000)])
    assert pair.verdict == "second"
    assert pair.difference == pytest.approx(-0.02)
    assert pair.interval == newcombe(9000, 10000, 9200, 10000)


@pytest.mark.parametrize(("right", "winning"), [(9055, None), (9100, 1), (8900, 0)])
def test_no_winner_inside_the_noise(right, winning):
    accuracies = [Accuracy("a", 9000, 10000), Accuracy("a", right, 10000)]
    assert winner(accuracies) == winning
    assert (differences(accuracies)[0].verdict == "cannot tell") == (winning is None)


def test_a_winner_beats_every_other_run():
    assert winner([Accuracy("a", 80, 100), Accuracy("a", 20, 100), Accuracy("a", 82, 100)]) is None
    assert winner([Accuracy("a", 60, 100), Accuracy("a", 20, 100), Accuracy("a", 92, 100)]) == 2


def test_other_images_are_never_compared():
    accuracies = [Accuracy("a", 9000, 10000), Accuracy("b", 100, 10000)]
    assert differences(accuracies)[0].verdict == "other test images"
    assert winner(accuracies) is None
