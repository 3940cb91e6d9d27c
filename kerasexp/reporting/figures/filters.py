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
    """The filters of a layer, in eight columns, at most 64 of them.

    Args:
        pictures: float `[filters, height, width]` (grey) or `[filters, height, width, 3]` (red, green, blue) with
            values 0 to 1, as `kerasexp.evaluation.filters.filter_pictures` gives them.
    """
    levels = np.rint(255 * pictures[:MOST]).astype(np.uint8)
    colour = levels if levels.ndim == 4 else np.repeat(levels[..., None], 3, axis=-1)
    factor = max(1, 24 // max(colour.shape[1:3]))  # enlarged, so that the gaps are thinner than a small filter's pixels
    return picture(mosaic(list(colour.repeat(factor, axis=1).repeat(factor, axis=2)), COLUMNS))
