"""How a study's channels are cut, as it is known to whoever builds or judges a recipe."""

from dataclasses import replace
from typing import Any

import pytest

from autotune.config import Recipe, Runtime
from autotune.errors import Infeasible
from autotune.results.channel_plan import ChannelPlan, plan_name
from autotune.study.channel_plans import ChannelPlans
from autotune.testing import toy_measurement

CUT = Recipe(channels=0.5, quantize="int8")
SLOW = replace(CUT, quantize="none")
PLANNED = ChannelPlan({"conv": (0, 2)}, {"conv": 4}, structure="0" * 64, speed=0.6)

CHANGES: tuple[dict[str, Any], ...] = ({"mixed": 0.5}, {"io": "int8"}, {"extra": (("plugged", 1),)})


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


def test_a_share_that_nobody_planned() -> None:
    """Is no trial, once there are plans."""
    other = replace(CUT, channels=0.906653)
    assert not plans().allows(other)
    with pytest.raises(Infeasible, match="no cut to 91% of the multiply-accumulates was planned"):
        plans().keep(other)


def test_only_the_scheme_that_was_measured_is_known() -> None:
    """Other kernels take another time; spared layers, integers in and out, and a plug-in's stage make another
    structure. What only changes weights, or nothing, does not.
    """
    for same in (CUT, replace(CUT, prune=0.5, cluster=16), replace(CUT, prune_pattern="xnnpack", levels=9)):
        assert plans().known(same, Runtime()) == toy_measurement(4)
    others = [replace(CUT, **change) for change in (*CHANGES, {"quantize": "qat"})]
    for other in (*others, SLOW, Recipe()):
        assert plans().known(other, Runtime()) is None


def test_zeros_that_are_stored_sparse_make_another_structure() -> None:
    """As many as there are; idle settings of float files do not."""
    floats = ChannelPlans({plan_name(SLOW): PLANNED}, lambda *_: toy_measurement(4))
    assert floats.known(replace(SLOW, mixed=0.5), Runtime()) == toy_measurement(4)
    assert floats.known(replace(SLOW, prune=0.75, prune_pattern="xnnpack"), Runtime()) is None


def test_speed() -> None:
    """As planned for the kind of kernels, else 1."""
    recipes = (CUT, replace(CUT, quantize="qat"), SLOW, Recipe())
    assert [plans().speed(recipe) for recipe in recipes] == [0.6, 0.6, 1, 1]
