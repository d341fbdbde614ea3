"""Whether a series grows: the slope of a line through it, with an interval that knows how alike neighbours are.

Samples of a process's memory, taken every few seconds, are no independent ones: a sawtooth between two collections, or
an arena that stays once it was needed, holds for many of them. Least squares alone would take such a course for a trend
and be sure of it. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist, fmean, linear_regression

LEAST_EFFECTIVE = 4.0
"""A course so smooth that it counts as fewer samples is a curve of its own. With fewer the interval would be so wide
that a leak which speeds up would pass."""
_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Slope:
    """Of values over times, in their units, and the ends of its 95 % interval."""

    middle: float
    low: float
    high: float


def slope(times: Sequence[float], values: Sequence[float]) -> Slope:
    """Of at least five values at different times. Raises StatisticsError for fewer than two.

    Ordinary least squares. The interval counts n·(1 − r)/(1 + r) samples in place of n, where r is the correlation of
    each residual with the one before: B. D. Santer et al., "Statistical significance of trends and trend differences in
    layer-average atmospheric temperature time series", J. Geophys. Res. 105 (D6), 2000, equations 3 to 6.
    """
    line = linear_regression(times, values)
    middle = fmean(times)
    residuals = [value - line.intercept - line.slope * time for time, value in zip(times, values, strict=True)]
    squares = math.fsum(residual**2 for residual in residuals)
    if not squares:
        return Slope(line.slope, line.slope, line.slope)
    alike = max(0.0, math.fsum(before * after for before, after in pairwise(residuals)) / squares)
    effective = max(LEAST_EFFECTIVE, len(values) * (1 - alike) / (1 + alike))
    spread = math.fsum((time - middle) ** 2 for time in times)
    half = student(effective - 2) * math.sqrt(squares / (effective - 2) / spread)
    return Slope(line.slope, line.slope - half, line.slope + half)


def student(freedom: float) -> float:
    """The 97.5 % point of Student's t for at least 2 degrees of freedom, whole or not, 1 % too small at the most.

    M. Abramowitz, I. A. Stegun, Handbook of Mathematical Functions, 26.7.5.
    """
    z, f = _Z, freedom
    terms = (
        z,
        (z**3 + z) / 4 / f,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96 / f**2,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384 / f**3,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160 / f**4,
    )
    return math.fsum(terms)
