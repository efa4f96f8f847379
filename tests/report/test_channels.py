"""What the report says of channels that were taken out."""

from dataclasses import replace
from pathlib import Path

from autotune.report.channels import PlanRow, dead_channels, never_cut, plan_rows
from autotune.results.channel_plan import ChannelPlan
from autotune.testing import toy_outcome, toy_record


def test_plans(tmp_path: Path) -> None:
    """Each with its share, kernels, and what is cut, or why nothing is."""
    record = replace(
        toy_record(tmp_path, toy_outcome(0.9, 1.0, 1000)),
        channels={
            "0.5 float kept": ChannelPlan({"conv": (0, 2)}, {"conv": 4}, speed=0.62, left={"last": "gives the output"}),
            "small net 0.5 int8 removed": ChannelPlan(refused="no time is saved"),
        },
    )
    assert plan_rows(record) == [
        PlanRow("50%", "float kernels, dead channels kept", "conv 4 → 2", "62%", refused=False),
        PlanRow("50%", "small net, integer kernels, dead channels removed", "no time is saved", "", refused=True),
    ]
    assert never_cut(record) == {"last": "gives the output"}
    alone = replace(record, channels={"0.5 float kept": ChannelPlan()})
    assert plan_rows(alone)[0].kernels == "float kernels"


def test_dead_channels(tmp_path: Path) -> None:
    """How many, and what stays; or why none was taken out. Once for each model, and not where there were none."""
    dead = {"channels": {"conv": [8, 5], "other": [4, 2]}, "macs": [100, 48], "parameters": [1000, 300]}
    kept = {"channels": {}, "reason": "other outputs"}
    outcomes = [
        replace(toy_outcome(0.9, 1.0, 1000, model=model), stages={"dead": facts})
        for model, facts in (("", dead), ("", dead), ("small", kept), ("other", {"channels": {}, "macs": [1, 1]}))
    ]
    lines = dead_channels(toy_record(tmp_path, *outcomes))
    assert len(lines) == 2
    assert "5 channels" in lines[0]
    assert "48% of the multiply-accumulates and 30% of the parameters stay" in lines[0]
    assert lines[1] == "small: dead channels were left in: other outputs"
