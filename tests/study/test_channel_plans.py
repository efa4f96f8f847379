"""How a study's channels are cut, as it is known to whoever builds or judges a recipe."""

from dataclasses import replace

import pytest

from autotune.config import Recipe, Runtime
from autotune.errors import Infeasible
from autotune.results.channel_plan import ChannelPlan, plan_name
from autotune.study.channel_plans import ChannelPlans
from autotune.testing import toy_measurement

CUT = Recipe(channels=0.5, quantize="int8")
SLOW = replace(CUT, quantize="none")
PLANNED = ChannelPlan({"conv": (0, 2)}, {"conv": 4}, structures={"int8": "0" * 64}, speed=0.6)


def plans() -> ChannelPlans:
    """int8 kernels reward fewer channels, float ones don't."""
    refused = ChannelPlan(refused="no time is saved")
    return ChannelPlans({plan_name(CUT): PLANNED, plan_name(SLOW): refused}, lambda *_: toy_measurement(4))


def test_what_stays() -> None:
    """Of all channels nothing is said; what can't be cut has its reason, and is allowed by nobody."""
    assert plans().keep(CUT) == {"conv": (0, 2)}
    assert plans().keep(Recipe()) is None
    assert ChannelPlans().keep(CUT) is None
    with pytest.raises(Infeasible, match="no time is saved"):
        plans().keep(SLOW)
    assert [plans().allows(recipe) for recipe in (CUT, SLOW, Recipe())] == [True, False, True]


def test_only_the_scheme_that_was_measured_is_known() -> None:
    """Other kernels take another time; spared layers make another structure."""
    assert plans().known(CUT, Runtime()) == toy_measurement(4)
    for other in (replace(CUT, quantize="qat"), replace(CUT, mixed=0.5), SLOW, Recipe()):
        assert plans().known(other, Runtime()) is None


def test_speed() -> None:
    """As planned for the kind of kernels, else 1."""
    recipes = (CUT, replace(CUT, quantize="qat"), SLOW, Recipe())
    assert [plans().speed(recipe) for recipe in recipes] == [0.6, 0.6, 1, 1]
