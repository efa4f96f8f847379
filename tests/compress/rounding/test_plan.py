"""How many levels each layer has."""

import pytest

from autotune.compress.rounding import grid, plan
from autotune.compress.rounding.layers import loaded, name, places
from autotune.compress.rounding.plan import Trial, share_out
from autotune.compress.rounding.rounding import Way
from tests.compress.rounding.models import dense

LEVELS_4 = [Way(4, levels) for levels in (15, 11, 7)]


def test_a_large_layer_is_tried_in_one_way_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same outcome."""
    file, x = dense()
    tried = {name(model, place): LEVELS_4 for model in [loaded(file)] for place in places(model)}
    wanted = plan.trials(file, x, tried, 0)
    monkeypatch.setattr(plan, "LARGE", 0)
    monkeypatch.setattr(grid, "SLICE", 100)
    assert plan.trials(file, x, tried, 0) == wanted


def ways(*information: float, errors: tuple[float, ...] = (0, 4, 1, 1)) -> list[Trial]:
    return [Trial(error, bits) for error, bits in zip(errors, information, strict=True)]


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_levels_may_need_more_bits(count: int) -> None:
    """The budget is met all the same, by a way before the one that was taken first."""
    layers = {str(number): ways(10, 5, 6, 7) for number in range(count)}
    assert share_out(layers, 1) == dict.fromkeys(layers, 1)


def test_bits_go_where_they_do_most() -> None:
    """A layer that bears few levels pays for one that does not."""
    layers = {"robust": ways(10, 8, 6, 4, errors=(0, 0, 0, 0.1)), "frail": ways(10, 8, 6, 4, errors=(0, 5, 9, 20))}
    assert share_out(layers, 1) == {"robust": 2, "frail": 0}
