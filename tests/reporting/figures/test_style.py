"""One figure as PNG and as SVG for light and dark pages."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib import font_manager
from PIL import Image

from kerasexp.reporting.figures import curves, style

HISTORY = {"epoch": [1, 2, 3], "loss": [1.0, 0.5, 0.4], "accuracy": [0.5, 0.7, 0.8], "learning_rate": [1e-3] * 3}


def test_svg_takes_the_colours_of_the_page():
    svg = style.to_svg(curves.loss(HISTORY), "loss", "Loss <over> epochs")
    root = ElementTree.fromstring(svg)
    assert root.tag == "svg"
    assert root.get("aria-label") == "Loss <over> epochs"
    assert "width" not in root.attrib
    assert "currentColor" in svg
    assert "var(--blue)" in svg
    assert not re.search(r"(fill|stroke): ?#", svg)
    assert "<metadata" not in svg
    assert "<style" not in svg
    assert "http" not in svg
    assert "epoch" in "".join(root.itertext())  # text stays text


def test_two_figures_share_no_ids():
    svgs = [
        style.to_svg(draw(HISTORY), name, "x") for draw, name in ((curves.loss, "loss"), (curves.accuracy, "accuracy"))
    ]
    ids = [set(re.findall(r' id="([^"]+)"', svg)) for svg in svgs]
    assert all(ids)
    assert not ids[0] & ids[1]
    for svg, own in zip(svgs, ids, strict=True):
        assert set(re.findall(r"url\(#([^)]+)\)", svg)) <= own


def test_same_figure_same_bytes():
    assert style.to_svg(curves.loss(HISTORY), "a", "x") == style.to_svg(curves.loss(HISTORY), "a", "x")


def test_settings_of_the_user_change_nothing(tmp_path):
    usual = style.to_svg(curves.loss(HISTORY), "a", "x")
    theirs = {
        "font.size": 30,
        "axes.facecolor": "red",
        "lines.linewidth": 9,
        "svg.fonttype": "path",
        "axes.grid": False,
    }
    with matplotlib.rc_context(theirs):
        assert style.to_svg(curves.loss(HISTORY), "a", "x") == usual
        assert matplotlib.rcParams["font.size"] == 30


def test_png_is_on_white_and_of_the_size_asked_for(tmp_path):
    style.save_png(curves.loss(HISTORY), tmp_path / "loss.png")
    with Image.open(tmp_path / "loss.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    assert pixels.shape[1] == round(style.WIDTH * style.DPI)
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels.min() < 60


def test_label_drops_what_cannot_be_drawn(monkeypatch):
    style._drawable.cache_clear()
    monkeypatch.setattr(style, "font_families", lambda: ("DejaVu Sans",))
    try:
        assert style.label("o お") == "o"
        assert style.label("お") == "?"
        assert style.label("a\x00b\nc \udcff") == "abc"
        assert style.label("x" * 40) == "x" * 23 + "…"
    finally:
        style._drawable.cache_clear()


def test_label_keeps_kana_where_a_font_has_them():
    families = style.font_families()
    if len(families) == 1:
        pytest.skip("no font with kana on this machine")
    assert families[1] in {font.name for font in font_manager.fontManager.ttflist}
    assert style.label("o お") == "o お"
