"""How sure scores are: 95 % intervals, and whether two files differ on the same samples.

Distributions are scipy.special's: scipy.stats has the same ones, but takes a second to import and a hundred times as
long for each value, of which a front takes one for each of its points.
"""

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # `autotune --help` comes by here, and does without
    import numpy as np
    from numpy.typing import NDArray

    from autotune.results.scores import Each

Interval = tuple[float, float]

Z = NormalDist().inv_cdf(0.975)
"""Standard errors to either side that make a normal 95 % interval."""

LEVEL = 0.05
"""The p-value down to which a difference may be chance."""

FEW = 50
"""Resamples below which their percentiles tell too little: then it is Student's distribution with their spread, of
which so many tell enough (Efron & Tibshirani, An Introduction to the Bootstrap, 1993, section 6.4).
"""


def wilson(share: float, n: float) -> Interval:
    """The 95 % score interval of a share; it stays within 0 and 1, and has a width even at them.

    E. B. Wilson, Probable Inference, the Law of Succession, and Statistical Inference, Journal of the
    American Statistical Association 22, 1927.

    Args:
        share: of n that are right, 0 to 1.
        n: independent yes-or-no observations, above 0; may be an effective number.
    """
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    reach = Z / (1 + Z**2 / n) * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return max(0.0, min(share, middle - reach)), min(1.0, max(share, middle + reach))


def normal(value: float, error: float, lowest: float | None, highest: float | None) -> Interval:
    """The 95 % interval of what varies as a normal distribution with this standard error, within bounds."""
    low, high = value - Z * error, value + Z * error
    return low if lowest is None else max(low, lowest), high if highest is None else min(high, highest)


def student(count: int) -> float:
    """How many times wider a 95 % interval is where its standard error is known from so many values alone, 2 or more.

    Student (W. S. Gosset), The Probable Error of a Mean, Biometrika 6, 1908.
    """
    return _student_quantile(count) / Z


def paired(first: "Each", second: "Each", *, resampled: bool) -> "tuple[Each, Each] | None":
    """Two files' scores that go together: of the same samples, or of the resamples that both have.

    Args:
        first: Score.each of a file, (n,).
        second: likewise, of the same metric.
        resampled: whether they are of resamples, of which there may be more of the one than of the other.

    Returns:
        None where they are of other samples.
    """
    if resampled:
        both = min(len(first), len(second))
        return first[:both], second[:both]
    return (first, second) if first.shape == second.shape else None


def compare(first: "Each", second: "Each", *, resampled: bool) -> float:
    """The two-sided p-value of two files' scores on the same samples: how easily chance makes such a difference.

    Pairing takes out what both have in common, the samples that are hard for either; so differences
    are found that lie well within the files' own intervals.

    Args:
        first: Score.each of a file, (n,).
        second: likewise, of the same metric and samples.
        resampled: whether they are of resamples, not of single samples.

    Returns:
        0 to 1; above LEVEL the two can't be told apart.
    """
    if first.dtype == second.dtype == bool:
        return _mcnemar(first, second)
    gap = first.astype(float) - second
    if not resampled:
        return _student(gap, len(gap))
    gap = gap[gap == gap]  # NaN is not equal to itself
    return _student(gap, 1) if len(gap) < FEW else _bootstrap(gap)


def difference(first: "Each", second: "Each", factor: float, *, resampled: bool) -> Interval | None:
    """The 95 % interval of a file's quality less a factor times another's, by their scores on the same samples.

    Of right or wrong: A. Agresti & Y. Min, Simple Improved Confidence Intervals for Comparing Matched
    Proportions, Statistics in Medicine 24, 2005, which adds half a sample of each of the four kinds of
    pairs; without them the interval is far too short where few samples are decided otherwise. Of other
    means Student's; of resamples the percentile interval (Efron & Tibshirani, An Introduction to the
    Bootstrap, 1993, section 13.3), or below FEW of them Student's with their spread. What scores the same on every
    sample differs by exactly 0, times 1.

    Args:
        first: Score.each of a file, (n,).
        second: likewise, of the same metric and samples.
        factor: of the second.
        resampled: whether they are of resamples, not of single samples.

    Returns:
        None where there are fewer than two to compare.
    """
    import numpy as np

    gap = first.astype(float) - factor * second
    gap = gap[np.isfinite(gap)]
    if len(gap) < 2:
        return None
    if resampled and len(gap) >= FEW:
        low, high = np.quantile(gap, (0.025, 0.975)).tolist()
        return low, high
    if first.dtype == second.dtype == bool and (first != second).any():
        weights = np.append(np.ones(len(gap)), [0.5] * 4)
        gap = np.append(gap, [1 - factor, 1, -factor, 0])
        middle = float(np.average(gap, weights=weights))
        reach = Z * math.sqrt(float(np.average((gap - middle) ** 2, weights=weights)) / float(weights.sum()))
        return middle - reach, middle + reach
    middle = float(gap.mean())
    error = float(gap.std(ddof=1)) / math.sqrt(1 if resampled else len(gap))  # a resample's spread is the error
    reach = _student_quantile(len(gap)) * error
    return middle - reach, middle + reach


def _mcnemar(first: "NDArray[np.bool_]", second: "NDArray[np.bool_]") -> float:
    """McNemar's exact test: a sample that only one of the two has right is equally likely to be either's by chance.

    Q. McNemar, Note on the Sampling Error of the Difference Between Correlated Proportions or
    Percentages, Psychometrika 12, 1947; here with the exact binomial.
    """
    from scipy.special import bdtr

    gained, lost = int((first & ~second).sum()), int((second & ~first).sum())
    return min(1.0, 2 * float(bdtr(min(gained, lost), gained + lost, 0.5)))


def _student(gap: "NDArray[np.float64]", of: int) -> float:
    """Whether the mean of paired differences is 0, see student(). A rank test would ask another question, about a
    median, where errors are skewed.

    Args:
        gap: the differences.
        of: how many of them the mean is of: 1 where each is of all samples, drawn anew.
    """
    from scipy.special import stdtr

    if len(gap) < 2 or not gap.any():
        return 1.0
    error = float(gap.std(ddof=1)) / math.sqrt(of)
    return 2 * float(stdtr(len(gap) - 1, -abs(float(gap.mean())) / error)) if error else 0.0


def _student_quantile(count: int) -> float:
    """Standard errors to either side that make a 95 % interval, where the error is known from so many values alone."""
    from scipy.special import stdtrit

    return float(stdtrit(count - 1, 0.975))


def _bootstrap(gap: "NDArray[np.float64]") -> float:
    """Twice the share of resamples in which the difference is 0 or on the other side of it (B. Efron &
    R. Tibshirani, An Introduction to the Bootstrap, 1993, sections 13.3 and 16.4), with one more on
    that side so that it is never 0 (A. C. Davison & D. V. Hinkley, Bootstrap Methods, 1997, 4.2).
    """
    beyond = min(int((gap <= 0).sum()), int((gap >= 0).sum()))
    return min(1.0, 2 * (1 + beyond) / (1 + len(gap)))
