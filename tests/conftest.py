"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data; the test is skipped where there is none."""
    folder = os.environ.get("KERASEXP_DATA_DIR")
    if not folder or not Path(folder).is_dir():
        pytest.skip("needs real data: set KERASEXP_DATA_DIR to a data folder")
    return Path(folder)
