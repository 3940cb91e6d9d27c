"""What the first layers look for."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from kerasexp.reporting.figures.samples import mosaic, picture
from kerasexp.reporting.figures.style import drawn

COLUMNS = 8
MOST = 64


@drawn
def filter_grid(pictures: np.ndarray) -> Figure:
    """The filters of a layer in grey, in eight columns, at most 64 of them.

    Args:
        pictures: float `[filters, height, width]` with values 0 (black) to 1 (white), as
            `kerasexp.evaluation.filters.filter_pictures` gives them.
    """
    grey = np.rint(255 * pictures[:MOST]).astype(np.uint8)
    factor = max(1, 24 // max(grey.shape[1:]))  # enlarged, so that the gaps are thinner than a small filter's pixels
    enlarged = grey.repeat(factor, axis=1).repeat(factor, axis=2)
    return picture(mosaic([np.repeat(one[..., None], 3, axis=-1) for one in enlarged], COLUMNS))
