from __future__ import annotations

import pytest
import typer

from kerasexp.commands.options import parse_time


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("30s", 30),
        ("10m", 600),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1.5h", 5400),
        (" 2H ", 7200),
        ("0.5", 0.5),
    ],
)
def test_times(text, seconds):
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5", "0", "0s", "1d", "10 m", "nan", "inf", "1e3", "9" * 400, "m"])
def test_no_times(text):
    with pytest.raises(typer.BadParameter, match="30s, 10m, 2h"):
        parse_time(text)
