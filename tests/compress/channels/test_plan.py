"""How many channels stay in which group."""

from itertools import pairwise

import pytest

from autotune.compress.channels.macs import total
from autotune.compress.channels.plan import Examined, Latencies, candidate_widths, most_important, plan
from autotune.errors import Infeasible


def examined(**importance: list[float]) -> Examined:
    """Dense layers one behind the other, of which each group's channels are what the next takes."""
    names = list(importance)
    factors = [{"": 10.0}, *({name: 1.0} for name in names), {"": 10.0}]
    terms = [{"layer": str(index), "macs": 1, "factors": list(pair)} for index, pair in enumerate(pairwise(factors))]
    widths = {name: len(values) for name, values in importance.items()}
    return {
        "groups": [{"name": name, "layers": [name], "importance": values} for name, values in importance.items()],
        "left": {},
        "terms": terms,  # type: ignore[typeddict-item]  # JSON
        "macs": round(total(terms, widths)),  # type: ignore[arg-type]
    }


def even(width: int, each: float = 1.0) -> list[float]:
    return [each] * width


@pytest.mark.parametrize(
    ("width", "widths"),
    [
        (4, []),
        (10, [9, 8, 7, 6, 5, 4]),
        (16, [14, 12, 10, 8, 6, 4]),
        (100, [96, 88, 80, 72, 64, 56, 48, 40, 32, 24, 16]),
    ],
)
def test_widths_are_such_as_kernels_like(width: int, widths: list[int]) -> None:
    """Multiples of a power of two, of an eighth of the group or less; and not too few."""
    assert candidate_widths(width) == widths


@pytest.mark.parametrize("share", [0.9, 0.5, 0.2])
def test_no_more_than_the_share_stays(share: float) -> None:
    """And not a step less than it takes."""
    model = examined(a=even(64), b=even(32), c=even(16))
    widths = plan(model, share)
    full = {"a": 64, "b": 32, "c": 16}
    assert total(model["terms"], full | widths) <= share * model["macs"]
    assert total(model["terms"], full | {name: min(full[name], each + 8) for name, each in widths.items()}) > (
        share * model["macs"]
    )


def test_what_matters_least_goes_first() -> None:
    """Of two groups alike that whose channels matter less; of a group the channels that matter least."""
    model = examined(a=even(32, 5.0), b=[1.0, 0.1] * 16, c=even(32, 5.0))
    widths = plan(model, 0.8)
    assert list(widths) == ["b"]
    stays = most_important(model, {"b": 16})["b"]
    assert stays == list(range(0, 32, 2))


def test_what_can_not_be_reached_is_refused() -> None:
    """With the share that stays at least."""
    with pytest.raises(Infeasible, match=r"\d+% of the multiply-accumulates stay at least, not 1%"):
        plan(examined(a=even(16), b=even(16)), 0.01)
    model = examined(a=even(16)) | {"left": {"c": "layer 'c' (GRU) is another", "d": "layer 'c' (GRU) is another"}}
    with pytest.raises(Infeasible, match=r"stay at least, not 1%; layer 'c' \(GRU\) is another$"):
        plan(model, 0.01)


def test_what_saves_time_is_cut_first() -> None:
    """Not a group that costs the same at every width, nor at widths that kernels pad; nor within noise. Where nothing
    else is left the multiply-accumulates decide, among the widths that were measured.
    """
    model = examined(a=even(32), b=even(32, 100.0))
    flat = dict.fromkeys(candidate_widths(32), 1.0)
    padded = {28: 0.999, 24: 1.0, 20: 1.001, 16: 0.7, 12: 0.705, 8: 0.4}
    widths = plan(model, 0.8, Latencies(1.0, 0.01, {"a": flat, "b": padded}))
    assert widths == {"b": 16}
    cut = plan(model, 0.8, Latencies(1.0, 0.01, {"a": {24: 1.0, 16: 1.0}, "b": flat}))
    assert set(cut) == {"a"}
    assert cut["a"] in (24, 16)
    assert plan(model, 0.3, Latencies(1.0, 0.01, {"a": flat, "b": padded}))["b"] <= 16
    with pytest.raises(Infeasible, match=r"\d+% of the multiply-accumulates stay at least, not 1%"):
        plan(model, 0.01, Latencies(1.0, 0.01, {"a": flat, "b": flat}))


def test_time_decides_where_arithmetic_does_not() -> None:
    """Of two groups alike that which the device runs slowly is cut."""
    model = examined(a=even(32), b=even(8, 1e9), c=even(32))
    slow = {width: 1.0 - 0.02 * (32 - width) for width in candidate_widths(32)}
    fast = {width: 1.0 - 0.001 * (32 - width) for width in candidate_widths(32)}
    assert list(plan(model, 0.8, Latencies(1.0, 0.002, {"a": slow, "c": fast}))) == ["a"]
    assert list(plan(model, 0.8, Latencies(1.0, 0.002, {"a": fast, "c": slow}))) == ["c"]


def test_one_lucky_measurement_is_not_believed() -> None:
    """What is slower with fewer channels was hardly faster with more."""
    model = examined(a=even(32), b=even(32))
    lucky = {24: 0.9, 16: 1.0, 8: 1.0}
    falling = {24: 0.95, 16: 0.9, 8: 0.85}
    assert list(plan(model, 0.8, Latencies(1.0, 0.04, {"a": lucky, "b": falling}))) == ["b"]
