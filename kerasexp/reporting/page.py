"""What every page has: templates, the way numbers are written, figures as PNG and SVG."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from kerasexp.errors import DataError
from kerasexp.reporting.figures import samples, style
from kerasexp.training.progress import duration


class Pictures:
    """The figures of one page: each a PNG in a folder beside it and an SVG inside it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.svg: dict[str, Markup] = {}
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise DataError(
                f"{folder} cannot be made: {error.strerror}. Make its folder writable, or work on a copy."
            ) from None

    def add(self, name: str, figure: Figure, alt: str, in_page: bool = True) -> None:
        style.save_png(figure, self.folder / f"{name}.png")
        if in_page:
            self.svg[name] = Markup(style.to_svg(figure, name, alt))


def templates() -> jinja2.Environment:
    """The templates with the words that they format numbers by."""
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("kerasexp.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words = {
        "number": lambda value: f"{value:,}",
        "decimal": _decimal,
        "percent": lambda value: f"{100 * value:.2f}{samples.NO_BREAK}%",
        "probability": samples.percent,
        "p_value": lambda value: f"<{samples.NO_BREAK}0.0001" if value < 0.0001 else f"{value:.4f}",
        "setting": _setting,
        "breakable": _breakable,
        "duration": duration,
    }
    found.filters.update(words)
    return found


def _decimal(value: float | None, digits: int = 4) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _setting(value: Any) -> str:
    """A value of a configuration as a reader writes it."""
    if value is None or value == {}:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_setting, value)) or "none"
    return f"{value:,}" if isinstance(value, int) and value >= 10_000 else str(value)


def _breakable(name: str) -> Markup:
    """A name or path that may be broken after an underscore, a slash or the point before a word."""
    return Markup(re.sub(r"(_|/|\.(?=[a-z]))", r"\1<wbr>", str(escape(name))))
