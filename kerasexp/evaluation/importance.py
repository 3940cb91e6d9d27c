"""How much of the differences between trials each setting explains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FEWEST = 10  # trials below which no forest is grown


def importance(
    places: np.ndarray, groups: Sequence[int], scores: np.ndarray, seed: int = 0
) -> tuple[np.ndarray, float] | None:
    """The share of each setting in what a random forest learns of the scores.

    Mean decrease in impurity, the columns of a setting added up. The forest's R² on the trials that each tree did not
    see tells whether it learned anything: near or below 0 the shares mean nothing.

    Args:
        places: float array `[trials, columns]`: where each value lies; a setting without an order has a column of 0 and
            1 for each of its values.
        groups: for each column the number of its setting, from 0.
        scores: float array `[trials]`.
        seed: of the forest.

    Returns:
        The shares `[settings]`, which add up to 1, and R² out of bag; None for fewer than ten trials or equal scores.

    References:
        Breiman, Machine Learning 45 (2001) 5-32; Hutter, Hoos, Leyton-Brown, ICML 2014 (forests over settings).
    """
    if len(scores) < FEWEST or np.ptp(scores) == 0:
        return None
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(n_estimators=300, min_samples_leaf=2, oob_score=True, random_state=seed)
    forest.fit(places, scores)
    shares = np.bincount(groups, weights=forest.feature_importances_)
    return shares / max(shares.sum(), 1e-12), float(forest.oob_score_)
