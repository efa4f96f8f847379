"""How channels are cut, as a journal keeps it."""

import json
from dataclasses import replace

from autotune.config import Recipe
from autotune.results.channel_plan import ChannelPlan, plan_name

PLAN = ChannelPlan({"conv": (0, 2, 5)}, {"conv": 8}, structure="0" * 64, speed=0.6)


def test_json() -> None:
    """It comes back as it was, with reason or without; in words it says how many channels stay where."""
    for plan in (PLAN, ChannelPlan(refused="nothing to cut"), ChannelPlan()):
        assert ChannelPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
    assert str(PLAN) == "conv 8 → 3"
    assert str(ChannelPlan(refused="nothing to cut")) == "nothing to cut"


def test_recipes_that_are_cut_alike_have_one_plan() -> None:
    """What is done to weights behind it does not matter; model, share, dead channels and kind of kernels do."""
    cut = Recipe(channels=0.5, quantize="int8")
    assert plan_name(cut) == plan_name(replace(cut, prune=0.5, quantize="qat", fine_tune="none"))
    others = [
        replace(cut, channels=0.8),
        replace(cut, quantize="float16"),
        replace(cut, model="small"),
        replace(cut, dead_channels="removed"),
    ]
    assert len({plan_name(recipe) for recipe in (cut, *others)}) == 5
    assert plan_name(replace(cut, quantize="float16")) == plan_name(replace(cut, quantize="none"))
