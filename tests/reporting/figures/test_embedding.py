from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

from kerasexp.reporting.figures import style
from kerasexp.reporting.figures.embedding import embedding

RNG = np.random.default_rng(0)


def map_of(images: int, classes: int, line=None):
    true = np.arange(images) % classes
    points = (RNG.normal(size=(images, 2)) + 8 * RNG.normal(size=(classes, 2))[true]).astype(np.float32)
    return embedding(points, true, [f"class {number}" for number in range(classes)], line)


def test_every_class_has_a_name_in_the_legend_and_a_colour_of_the_page():
    figure = map_of(200, 10)
    assert [text.get_text() for text in figure.legends[0].texts] == [f"class {number}" for number in range(10)]
    svg = style.to_svg(figure, "map", "x")
    colours = set(re.findall(r"stroke: var\(--(\w+)\)", svg))
    assert len(colours) >= 10
    assert not re.search(r"(fill|stroke): ?#[0-9a-f]{6}", svg)


def test_five_thousand_points_make_a_small_figure_and_are_all_drawn(tmp_path):
    figure = map_of(5000, 10)
    assert len(style.to_svg(figure, "map", "x")) < 600_000
    drawn = [patch.get_path().vertices for patch in figure.axes[0].patches]
    assert sum(map(len, drawn)) == 2 * 5000
    style.save_png(figure, tmp_path / "map.png")
    with Image.open(tmp_path / "map.png") as image:
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3).astype(int)
    coloured = np.ptp(pixels, axis=1) > 60
    assert coloured.mean() > 0.02


def test_two_classes_have_a_line_inside_the_map():
    figure = map_of(40, 2, line={"weights": [1.0, 0.5], "bias": -1.0})
    (line,) = [one for one in figure.axes[0].lines if len(one.get_xdata()) == 2]
    x, y = np.array(line.get_xdata()), np.array(line.get_ydata())
    np.testing.assert_allclose(x + 0.5 * y, 1.0)
    assert "SVM's line" in [text.get_text() for text in figure.legends[0].texts]


@pytest.mark.parametrize("classes", [1, 3, 30])
def test_any_number_of_classes(classes):
    figure = map_of(60, classes)
    assert bool(figure.legends) == (classes <= 20)
