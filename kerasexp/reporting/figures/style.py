"""How every figure looks, and how one figure becomes a PNG and an SVG that fits light and dark pages."""

from __future__ import annotations

import functools
import io
import re
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ParamSpec
from xml.etree import ElementTree

import matplotlib.style
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kerasexp import files

# Okabe and Ito's colours for all kinds of colour vision, the blue and the orange a little darker for thin lines.
INK = "#1b1f24"
BLUE = "#0068a8"
ORANGE = "#c8560a"
GREEN = "#00805f"
ON_BLUE = "#fdfefe"  # text on a full blue
PAPER = "#fefefd"  # around letters that stand on points
PURPLE = "#7a49b0"
RED = "#bf2f4f"
CYAN = "#1590a6"
OCHRE = "#94701c"
PINK = "#c2519c"
LIME = "#698f16"
GREY = "#6a7480"
MANY = (BLUE, ORANGE, GREEN, PURPLE, RED, CYAN, OCHRE, PINK, LIME, GREY)  # classes and runs, in this order

# What each colour is called in the page, which gives it another value in the dark.
IN_PAGE = {
    INK: "currentColor",
    BLUE: "var(--blue)",
    ORANGE: "var(--orange)",
    GREEN: "var(--green)",
    ON_BLUE: "var(--on-blue)",
    PAPER: "var(--paper)",
    PURPLE: "var(--purple)",
    RED: "var(--red)",
    CYAN: "var(--cyan)",
    OCHRE: "var(--ochre)",
    PINK: "var(--pink)",
    LIME: "var(--lime)",
    GREY: "var(--grey)",
}

WIDTH = 4.6  # inches of every figure: its 9-point text is still read at the width of a telephone
DPI = 200  # of the PNG

SETTINGS = {
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "figure.facecolor": "none",
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "grid.alpha": 0.13,
    "grid.color": INK,
    "grid.linewidth": 0.6,
    "image.interpolation": "none",
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "svg.fonttype": "none",
    "text.color": INK,
    "text.parse_math": False,  # a class may be called "$5 to $10"
    "xtick.color": INK,
    "xtick.labelsize": 8.5,
    "xtick.major.width": 0.6,
    "ytick.color": INK,
    "ytick.labelsize": 8.5,
    "ytick.major.width": 0.6,
}
FONTS_WITH_MORE_LETTERS = ("Noto Sans CJK JP", "Noto Sans JP", "Hiragino Sans", "Yu Gothic", "MS Gothic", "IPAexGothic")

Drawing = ParamSpec("Drawing")


@functools.cache
def font_families() -> tuple[str, ...]:
    """Matplotlib's own font, and behind it one with Chinese and Japanese letters if the machine has one."""
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return ("DejaVu Sans", *[name for name in FONTS_WITH_MORE_LETTERS if name in installed][:1])


@functools.cache
def _drawable(letter: str) -> bool:
    paths = (font_manager.findfont(name) for name in font_families())
    return any(font_manager.get_font(path).get_char_index(ord(letter)) for path in paths)


def label(text: str, longest: int = 24) -> str:
    """`text` without what the machine's fonts cannot draw, cut to `longest` letters.

    Example:

    >>> label("o お")  # where no font has kana
    'o'
    """
    visible = "".join(letter for letter in str(text) if unicodedata.category(letter)[0] != "C" and _drawable(letter))
    words = " ".join(visible.split()) or "?"
    return words if len(words) <= longest else words[: longest - 1] + "…"


def drawn(function: Callable[Drawing, Figure]) -> Callable[Drawing, Figure]:
    """Draws under the report's settings, whatever Matplotlib settings the user has."""

    @functools.wraps(function)
    def inside(*args: Drawing.args, **kwargs: Drawing.kwargs) -> Figure:
        with _settings():
            figure = function(*args, **kwargs)
            layout = figure.get_layout_engine()
            if layout is not None:  # laid out once, not again for every file
                layout.execute(figure)
                figure.set_layout_engine("none")
            return figure

    return inside


def _settings() -> AbstractContextManager[None]:
    return matplotlib.style.context(["default", {**SETTINGS, "font.family": list(font_families())}])


def axes(height: float, width: float = WIDTH) -> tuple[Figure, Axes]:
    """A figure with one pair of axes; sizes in inches."""
    figure = Figure(figsize=(width, height))
    return figure, figure.add_subplot()


def canvas(height: float, width: float = WIDTH) -> tuple[Figure, Axes]:
    """A figure whose one pair of axes fills it, in inches from the top left corner, without frame and ticks."""
    figure, ax = axes(height, width)
    figure.set_layout_engine("none")
    ax.set_position((0, 0, 1, 1))
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)
    bare(ax)
    return figure, ax


def bare(ax: Axes) -> None:
    """Takes frame, ticks and grid away, for pictures."""
    ax.grid(False)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)


def save_png(figure: Figure, path: Path) -> None:
    """Writes the figure on white, whole or not at all."""
    with _settings(), files.replacing(path) as beside:
        figure.savefig(beside, format="png", dpi=DPI, facecolor="white")


def to_svg(figure: Figure, name: str, alt: str) -> str:
    """The figure as an `<svg>` element for an HTML page.

    The background is transparent and the colours are the page's (`currentColor`, `var(--blue)`, ...), so that one
    figure serves light and dark. Ids start with `name`: unique in a page where names are.

    Args:
        figure: what to draw.
        name: of the figure.
        alt: what a reader who cannot see it is told.
    """
    buffer = io.BytesIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with _settings(), matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata=nothing)
    return _for_page(buffer.getvalue().decode(), name, alt)


SVG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"


def _for_page(text: str, name: str, alt: str) -> str:
    root = ElementTree.fromstring(text)
    for parent in root.iter():
        for child in list(parent):
            if child.tag in (f"{SVG}style", f"{SVG}metadata"):  # the page has its own
                parent.remove(child)
    used = set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', text))
    wanted = {first or second for first, second in used}
    for element in root.iter():
        for key, value in list(element.attrib.items()):
            if key == "id" and value not in wanted:
                del element.attrib[key]
            elif key == "id":
                element.set(key, f"{name}-{value}")
            elif key in ("href", HREF) and value.startswith("#"):
                del element.attrib[key]
                element.set("href", f"#{name}-{value[1:]}")
            elif key == HREF:  # a picture inside
                del element.attrib[key]
                element.set("href", "".join(value.split()))
            elif "#" in value:
                value = value.replace("url(#", f"url(#{name}-")
                for colour, in_page in IN_PAGE.items():
                    value = value.replace(colour, in_page)
                element.set(key, value)
        element.tag = element.tag.removeprefix(SVG)
    width = root.get("width", "").removesuffix("pt")
    attributes = {"viewBox": root.get("viewBox", ""), "class": "plot", "role": "img", "aria-label": alt}
    root.attrib.clear()
    root.attrib.update(attributes, style=f"max-width: {float(width) / 0.75 * 1.12:.0f}px")
    return ElementTree.tostring(root, encoding="unicode")


def labels(names: Sequence[str], longest: int = 24) -> list[str]:
    """`label` of each name."""
    return [label(name, longest) for name in names]
