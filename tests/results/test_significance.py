"""Intervals and paired tests, against known values and in simulation."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom, binomtest, t, ttest_1samp, ttest_rel

from autotune.results.significance import LEVEL, Z, compare, difference, normal, student, wilson
from autotune.task.score import RESAMPLES

Draw = Callable[[np.random.Generator], tuple[NDArray[Any], NDArray[Any]]]


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (1, 10), (81, 263), (425, 500), (499, 500), (500, 500)])
def test_wilson_is_scipys(hits: int, n: int) -> None:
    """An implementation of its own."""
    expected = binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson(hits / n, n) == pytest.approx((expected.low, expected.high))


def test_wilson_against_a_published_value() -> None:
    """81 of 263: R. G. Newcombe, Statistics in Medicine 17, 1998, table I, method 3."""
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


@pytest.mark.parametrize("n", [1, 5, 500, 0.3])
def test_wilson_at_the_ends(n: float) -> None:
    """Within 0 and 1, about the share itself, and not without a width."""
    assert wilson(0.0, n)[0] == 0.0
    assert 0.0 < wilson(0.0, n)[1] < 1.0
    assert wilson(1.0, n) == pytest.approx((1 - wilson(0.0, n)[1], 1.0))
    assert wilson(1.0, n)[1] == 1.0


@pytest.mark.parametrize("n", [20, 100])
def test_wilson_holds_what_it_promises(n: int) -> None:
    """Over all shares 95 % of the intervals hold the true one: counted exactly, no sample drawn."""
    hits = np.arange(n + 1)
    ends = np.array([wilson(k / n, n) for k in hits])
    covered = []
    for share in np.linspace(0.01, 0.99, 99):
        inside = (ends[:, 0] <= share) & (share <= ends[:, 1])
        covered.append(binom.pmf(hits, n, share)[inside].sum())
    assert np.mean(covered) == pytest.approx(0.95, abs=0.01)
    assert min(covered) > 0.83


def test_normal_interval_keeps_within_bounds() -> None:
    """1.96 standard errors to either side, cut where the metric ends."""
    assert normal(5.0, 1.0, None, None) == pytest.approx((3.04, 6.96), abs=1e-3)
    assert normal(0.1, 1.0, 0.0, 1.0) == (0.0, 1.0)


def right(first: int, second: int, both: int, neither: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Two files of which so many samples only the first, only the second, both or neither has right."""
    one = [True] * first + [False] * second + [True] * both + [False] * neither
    other = [False] * first + [True] * second + [True] * both + [False] * neither
    return np.array(one), np.array(other)


def test_mcnemar_by_hand() -> None:
    """Two only here, eight only there: 2 (1 + 10 + 45) / 2^10. What both have or lack has no part."""
    assert compare(*right(2, 8, 0, 0), resampled=False) == pytest.approx(112 / 1024)
    assert compare(*right(2, 8, 500, 70), resampled=False) == pytest.approx(112 / 1024)
    assert compare(*right(8, 2, 500, 70), resampled=False) == pytest.approx(112 / 1024)


def test_mcnemar_of_no_difference() -> None:
    """Of the same decisions, and of as many either way."""
    assert compare(*right(0, 0, 90, 10), resampled=False) == 1.0
    assert compare(*right(5, 5, 90, 10), resampled=False) == 1.0


@pytest.mark.parametrize("pairs", [1, 2, 9, 50, 333, 1000, 10_000])
def test_mcnemar_is_scipys_binomial_test(pairs: int) -> None:
    """However many are decided otherwise, and whichever of the two has more of them."""
    for gained in {0, 1, pairs // 4, pairs // 3, pairs // 2, pairs}:
        expected = binomtest(gained, pairs).pvalue
        assert compare(*right(gained, pairs - gained, 7, 3), resampled=False) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(("count", "quantile"), [(2, 12.706), (5, 2.776), (11, 2.228), (31, 2.042), (121, 1.980)])
def test_student_against_published_values(count: int, quantile: float) -> None:
    """The table of Student's distribution that any textbook has, at 0.975; and scipy.stats' own."""
    assert student(count) * Z == pytest.approx(quantile, abs=5e-4)
    assert student(count) * Z == pytest.approx(t.ppf(0.975, count - 1), rel=1e-12)


@pytest.mark.parametrize("count", [2, 3, 49, 10_000])
def test_paired_differences_are_scipys(count: int) -> None:
    """The p-value and the interval of scipy's paired test, on errors in float64."""
    first, second = np.random.default_rng(count).normal([[0.1], [0.0]], 1.0, (2, count))
    test = ttest_rel(first, second)
    assert compare(first, second, resampled=False) == pytest.approx(test.pvalue, rel=1e-10)
    assert difference(first, second, 1.0, resampled=False) == pytest.approx(test.confidence_interval(0.95), rel=1e-10)


def test_pairs_tell_apart_where_intervals_overlap() -> None:
    """5 % of 500 samples that only one has right: the files' own intervals would leave it open."""
    one, other = right(25, 0, 400, 75)
    assert wilson(float(one.mean()), 500)[0] < wilson(float(other.mean()), 500)[1]
    assert compare(one, other, resampled=False) < 1e-6


def test_means_of_errors() -> None:
    """Student's paired test as scipy has it; a shift that all samples have is no chance at all."""
    random = np.random.default_rng(3)
    hard = random.exponential(size=200).astype(np.float32)
    other = hard + random.normal(0.01, 0.1, 200).astype(np.float32)
    assert compare(hard, other, resampled=False) == pytest.approx(ttest_rel(hard, other).pvalue, rel=1e-3)
    assert compare(hard, hard, resampled=False) == 1.0
    assert compare(np.zeros(20, np.float32), np.full(20, 0.5, np.float32), resampled=False) == 0.0
    assert compare(np.zeros(1, np.float32), np.ones(1, np.float32), resampled=False) == 1.0


def test_right_and_wrong_beside_shares() -> None:
    """Of a metric of the user's whose values happen to be 0 and 1 for one of the files only."""
    one, other = np.array([True, False, True, True]), np.array([0.5, 0.5, 1, 0], np.float32)
    assert compare(one, other, resampled=False) == pytest.approx(ttest_rel(one.astype(float), other).pvalue)


def test_resampled_statistics() -> None:
    """Twice the share of resamples on the rarer side, one added; those without a value don't count."""
    gap = np.array([1.0] * 95 + [-1.0] * 4 + [np.nan], np.float32)
    zero = np.zeros(100, np.float32)
    assert compare(gap, zero, resampled=True) == compare(zero, gap, resampled=True) == pytest.approx(2 * 5 / 100)
    assert compare(zero, zero, resampled=True) == 1.0
    assert compare(np.full(RESAMPLES, np.nan, np.float32), np.zeros(RESAMPLES, np.float32), resampled=True) == 1.0
    assert compare(np.ones(RESAMPLES, np.float32), np.zeros(RESAMPLES, np.float32), resampled=True) < LEVEL


def decisions(random: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Of two files of one accuracy that agree on most samples."""
    same, either = random.random(300) < 0.8, random.random((2, 300)) < 0.7
    shared = random.random(300) < 0.7
    return np.where(same, shared, either[0]), np.where(same, shared, either[1])


def skewed(random: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Squared errors of two files that are as good as each other."""
    drawn = random.normal(size=(2, 300)).astype(np.float32) ** 2
    return drawn[0], drawn[1]


def resamples(random: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Means over the same resamples of two files that are as good as each other."""
    chosen = random.integers(100, size=(RESAMPLES, 100))
    drawn = random.normal(size=(2, 100)).astype(np.float32)
    return drawn[0][chosen].mean(axis=1), drawn[1][chosen].mean(axis=1)


@pytest.mark.parametrize(("draw", "resampled"), [(decisions, False), (skewed, False), (resamples, True)])
def test_no_difference_is_seldom_found(draw: Draw, resampled: bool) -> None:
    """Of 300 pairs without any, about 5 % pass for different: no more than chance allows at 1 in 1000."""
    random = np.random.default_rng(1)
    found = sum(compare(*draw(random), resampled=resampled) <= LEVEL for _ in range(300))
    assert found <= binom.ppf(0.999, 300, LEVEL)


def test_equal_scores_differ_by_nothing() -> None:
    """Exactly, of whatever kind they are."""
    some = np.random.default_rng(0).random(50)
    for each in (some > 0.3, some.astype(np.float32)):
        for resampled in (False, True):
            assert difference(each, each.copy(), 1.0, resampled=resampled) == (0.0, 0.0)


def test_interval_of_a_difference_of_shares() -> None:
    """By A. Agresti & Y. Min's formula for counts, half a sample added to each: 4 and 2 of 100 decided otherwise."""
    one, other = np.arange(100) < 92, (np.arange(100) < 90) | (np.arange(100) >= 96)
    gained, lost, n = 2 + 0.5, 4 + 0.5, 102
    middle, error = (gained - lost) / n, np.sqrt((gained + lost) / n - ((gained - lost) / n) ** 2) / np.sqrt(n)
    found = difference(one, other, 1.0, resampled=False)
    assert found == pytest.approx((middle - 1.959964 * error, middle + 1.959964 * error))


def test_interval_of_a_difference_of_means() -> None:
    """Student's, as SciPy has it; to a part of the other where there is a factor."""
    one, other = (np.random.default_rng(seed).normal(seed, 1, 60).astype(np.float32) for seed in (1, 2))
    for factor in (1.0, 0.5):
        expected = ttest_1samp(one.astype(float) - factor * other, 0).confidence_interval(0.95)
        assert difference(one, other, factor, resampled=False) == pytest.approx((expected.low, expected.high))


def test_interval_of_a_difference_of_resamples() -> None:
    """Percentiles; resamples without a value don't count, and fewer than two say nothing."""
    gap = np.array([*range(101), np.nan], np.float32)
    assert difference(gap, np.zeros(102, np.float32), 1.0, resampled=True) == pytest.approx((2.5, 97.5))
    assert difference(gap[-2:], np.zeros(2, np.float32), 1.0, resampled=True) is None


@pytest.mark.parametrize("lose", [0.01, 0.02, 0.05])
def test_a_loss_is_seldom_overlooked(lose: float) -> None:
    """Also where so few of 200 samples are decided otherwise that Student's interval is far too short: the worse
    end is too good in less than one of ten cases, save where none happens to differ.
    """
    random = np.random.default_rng(2)
    baseline = np.ones(200, bool)
    found = [difference(random.random(200) >= lose, baseline, 1.0, resampled=False) for _ in range(500)]
    seen = [interval for interval in found if interval is not None and interval != (0.0, 0.0)]
    assert np.mean([low > -lose for low, _ in seen]) <= 0.1
