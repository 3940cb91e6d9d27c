"""The figures, each from plain arrays."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from kerasexp.reporting.figures import confusion, curves, filters, samples, scores, style

RNG = np.random.default_rng(0)


def texts(figure: Figure) -> list[str]:
    """Every text in the figure, once."""
    found = [one.get_text() for ax in figure.axes for one in ax.findobj(Text)]
    return [text for text in dict.fromkeys(found) if text]


def history(epochs: int, validation: bool = True) -> dict[str, list[float]]:
    columns = ["loss", "accuracy", *(["val_loss", "val_accuracy"] if validation else [])]
    return {
        "epoch": list(range(1, epochs + 1)),
        "learning_rate": [10.0 ** -(1 + 3 * epoch // epochs) for epoch in range(epochs)],
        **{name: [0.5 + 0.4 / epoch for epoch in range(1, epochs + 1)] for name in columns},
    }


def test_curves_have_a_line_for_each_part_of_the_data():
    both, alone = curves.loss(history(20), best_epoch=7), curves.loss(history(20, validation=False))
    words = texts(both)
    assert "validation" in words
    assert "best epoch 7" in words
    assert "validation" not in texts(alone)
    assert [line.get_xdata()[0] for line in both.axes[0].lines if len(line.get_xdata()) == 1] == [7]


def test_one_epoch_is_drawn_as_points():
    for draw in (curves.loss, curves.accuracy):
        line = draw(history(1), best_epoch=1).axes[0].lines[0]
        assert line.get_marker() == "o"
    assert curves.loss(history(200)).axes[0].lines[0].get_marker() == "None"


def test_learning_rate_is_logarithmic_only_over_a_wide_range():
    assert curves.learning_rate(history(30)).axes[0].get_yscale() == "log"
    flat = history(30) | {"learning_rate": [0.001] * 30}
    assert curves.learning_rate(flat).axes[0].get_yscale() == "linear"
    to_zero = history(3) | {"learning_rate": [0.0, 0.0, 0.0]}
    assert curves.learning_rate(to_zero).axes[0].get_ylim()[0] == 0


def test_the_second_half_is_drawn_apart():
    for metric in ("loss", "accuracy"):
        ax = curves.second_half(history(20), metric).axes[0]
        assert list(ax.lines[0].get_xdata()) == list(range(11, 21))
        assert len(ax.lines) == 2
    low, high = curves.second_half(history(20), "loss").axes[0].get_ylim()
    assert 0.5 < low < high < 0.55


def test_stages_begin_at_a_line_with_their_name():
    figure = curves.accuracy(history(20), 7, stages=[(1, "head"), (11, "all layers")])
    assert " all layers" in texts(figure)
    assert " head" not in texts(figure)
    assert [line.get_xdata()[0] for line in figure.axes[0].lines if len(line.get_xdata()) == 2] == [7, 10.5]


@pytest.mark.parametrize("classes", [2, 10, 30])
def test_confusion_matrix_shows_counts_where_there_is_room(classes):
    matrix = RNG.integers(0, 40, (classes, classes)) + 900 * np.eye(classes, dtype=int)
    matrix[0] = 0  # a class without images
    figure = confusion.confusion_matrix(matrix, [f"class {number}" for number in range(classes)])
    assert (str(matrix[1, 1]) in texts(figure)) == (classes <= 20)


def test_confusion_matrix_by_row_is_in_percent():
    figure = confusion.confusion_matrix([[999, 1], [30, 70]], ["a", "b"], by_row=True)
    assert {"99.9", "0.1", "30.0", "70.0"} <= set(texts(figure))
    assert "100" in texts(confusion.confusion_matrix([[5, 0], [0, 5]], ["a", "b"], by_row=True))


def test_f1_bars_follow_the_scores():
    rows = [{"name": f"${k}$", "f1": {"value": k / 10, "interval": [max(0, k / 10 - 0.05), k / 10]}} for k in range(11)]
    figure = scores.f1_bars(rows, 0.5)
    assert [bar.get_width() for bar in figure.axes[0].patches] == pytest.approx([k / 10 for k in range(11)])
    assert "$3$" in texts(figure)


def test_class_distribution_has_a_bar_for_each_class_and_split():
    figure = samples.class_distribution(
        {"train": [5, 0, 7], "validation": [1, 1, 1], "test": [2, 3, 4]}, ["a", "b", "c"]
    )
    assert [bar.get_width() for bar in figure.axes[0].patches] == [5, 0, 7, 1, 1, 1, 2, 3, 4]
    assert [text.get_text() for text in figure.legends[0].texts] == ["train, 12", "validation, 3", "test, 9"]


def test_sample_grid_has_a_row_for_each_class_with_images():
    images = RNG.integers(0, 256, (7, 28, 28, 1), np.uint8)
    figure = samples.sample_grid(images, np.array([0, 0, 0, 2, 2, 2, 2]), ["a", "b", "c"])
    assert texts(figure) == ["a", "c"]
    picture = figure.axes[0].images[0].get_array()
    assert picture.shape == (28 * 2 + 2, 28 * 4 + 3 * 2, 4)
    assert (picture[:28, :28, 0] == images[0, ..., 0]).all()
    assert (picture[30:, 30:58, 1] == images[4, ..., 0]).all()
    assert (picture[:28, -28:, 3] == 0).all()  # class a has no fourth image


def test_photographs_are_made_smaller_and_digits_are_not():
    photograph = RNG.integers(0, 256, (200, 150, 3), np.uint8)
    assert samples.tile(photograph).shape == (64, 48, 3)
    digit = RNG.integers(0, 256, (28, 28, 1), np.uint8)
    assert (samples.tile(digit) == digit).all()
    assert samples.tile(photograph, 160).shape == (160, 120, 3)
    assert samples.data_uri(photograph).startswith("data:image/jpeg")
    assert samples.data_uri(digit).startswith("data:image/png")
    assert len(samples.data_uri(photograph)) < 30_000


def test_few_classes_of_photographs_have_rows_of_five():
    images = RNG.integers(0, 256, (14, 100, 100, 3), np.uint8)
    figure = samples.sample_grid(images, np.repeat([0, 1], 7), ["a", "b"])
    picture = figure.axes[0].images[0].get_array()
    gap = round(100 / 12)
    assert picture.shape == (4 * 100 + 3 * gap, 5 * 100 + 4 * gap, 4)
    assert (picture[100 + gap : 200 + gap, 2 * (100 + gap) :, 3] == 0).all()  # each class has seven
    assert figure.axes[0].get_yticks().tolist() == [100 + gap / 2, 300 + 5 * gap / 2]


def test_many_large_images_make_a_small_figure():
    images = RNG.integers(0, 256, (250, 96, 96, 3), np.uint8)
    figure = samples.sample_grid(images, np.repeat(np.arange(25), 10), [f"c{number}" for number in range(25)])
    assert len(texts(figure)) == samples.MOST_ROWS
    assert len(style.to_svg(figure, "s", "x")) < 4_000_000


def test_mistakes_and_augmented_images():
    images = RNG.integers(0, 256, (7, 28, 20, 1), np.uint8)
    figure = samples.mistakes(images, [("a", "b", 0.999999)] * 7)
    assert len(figure.axes[0].images) == 7
    assert "a → b\n>\N{NO-BREAK SPACE}99.99\N{NO-BREAK SPACE}%" in texts(figure)
    bright = samples.augmented(np.full((3, 8, 8, 1), 255.4, np.float32)).axes[0].images[0].get_array()
    assert bright[0, 0].tolist() == [255, 255, 255, 255]


def test_filters_are_in_eight_columns_and_keep_their_grey():
    pictures = np.linspace(0, 1, 32 * 9).reshape(32, 3, 3)
    picture = filters.filter_grid(pictures).axes[0].images[0].get_array()
    assert picture.shape == (4 * 24 + 3 * 2, 8 * 24 + 7 * 2, 4)
    assert picture[0, 0].tolist() == [0, 0, 0, 255]
    assert picture[-1, -1].tolist() == [255, 255, 255, 255]
    assert picture[0, 24].tolist()[3] == 0
    coloured = filters.filter_grid(np.eye(3)[[0, 1, 2]].reshape(3, 1, 1, 3)).axes[0].images[0].get_array()
    assert [coloured[0, 26 * number].tolist() for number in range(3)] == [
        [255, 0, 0, 255],
        [0, 255, 0, 255],
        [0, 0, 255, 255],
    ]
    many = filters.filter_grid(np.zeros((512, 3, 3))).axes[0].images[0].get_array()
    assert many.shape[0] == 8 * 24 + 7 * 2


def test_percent_never_claims_certainty():
    assert samples.percent(0.99994).split() == ["99.99", "%"]
    assert samples.percent(1.0).split() == [">", "99.99", "%"]
