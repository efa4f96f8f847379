"""What a run does before it searches: channels are planned, once, and whatever happens to that."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from autotune.errors import Fault
from autotune.results.channel_plan import ChannelPlan
from autotune.study import leases
from autotune.study.channels import ChannelPlanner
from autotune.study.leases import TimeIsUpError
from autotune.testing import FakeDevice, SilentReporter
from tests.ledger.test_siblings import Board
from tests.study.test_driver import SPACE, options, study

CUTTING = SPACE | {"channels": [1.0, 0.5]}


def _planning(monkeypatch: pytest.MonkeyPatch, *results: Exception | dict[str, ChannelPlan]) -> Iterator[object]:
    """What planning gives, one after the other."""
    coming = iter(results)

    def plans(_: ChannelPlanner) -> dict[str, ChannelPlan]:
        result = next(coming)
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr(ChannelPlanner, "plans", plans)
    return coming


REFUSED = {"0.5 float kept": ChannelPlan(refused="too slow"), "0.5 int8 kept": ChannelPlan(refused="too slow")}


def test_channels_are_planned_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run has the plans from the journal; one without trials left makes none."""
    coming = _planning(monkeypatch, REFUSED)
    study(options(tmp_path, space=CUTTING, trials=3))
    record = study(options(tmp_path, space=CUTTING, trials=5)).record
    assert next(coming, None) is None
    assert record.channels == REFUSED
    assert all(point.outcome.config.recipe.channels == 1 for point in record.points)
    _planning(monkeypatch, AssertionError("planned"))
    study(options(tmp_path, space=CUTTING, trials=0, name="other"))


@pytest.mark.parametrize("error", [Fault("the lease was lost"), RuntimeError("Traceback\n  in it\nout of memory")])
def test_a_fault_of_planning_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """The run goes on with all channels and says why; the next one plans."""
    _planning(monkeypatch, error, REFUSED)
    reporter = SilentReporter()
    record = study(options(tmp_path, space=CUTTING, trials=3), reporter=reporter).record
    last = str(error).splitlines()[-1]
    assert f"no channels are cut in this run: {last}" in reporter.notes
    assert record.channels == {}
    assert all(point.outcome.config.recipe.channels == 1 for point in record.points)
    assert study(options(tmp_path, space=CUTTING, trials=4)).record.channels == REFUSED


def test_time_is_up_while_channels_are_planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said as ever; the same command goes on."""
    _planning(monkeypatch, TimeIsUpError(), REFUSED)
    assert any("the time is up" in note for note in study(options(tmp_path, space=CUTTING, trials=3)).notes)
    assert study(options(tmp_path, space=CUTTING, trials=3)).record.trials_done == 3


def test_another_device_has_the_plans_without_their_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a file takes there is not known from here."""
    plan = ChannelPlan(refused="too slow", structure="0" * 64, speed=0.5)
    _planning(monkeypatch, {"0.5 float kept": plan, "0.5 int8 kept": plan})
    study(options(tmp_path, space=CUTTING, trials=3))
    second = study(options(tmp_path, space=CUTTING, trials=3), Board()).record
    assert {(plan.structure, plan.speed) for plan in second.channels.values()} == {(None, None)}


class Taken(FakeDevice):
    """A device that others take for good, once it was held so many times."""

    def __init__(self, after: int, *, shares_host: bool) -> None:
        super().__init__()
        self._left = after
        self.shares_host = shares_host

    def take(self, shared: bool) -> bool:
        if self._left == 0:
            return False
        taken = super().take(shared)
        self._left -= taken
        return taken


@pytest.mark.parametrize("shares_host", [True, False])
@pytest.mark.parametrize("after", range(6))
def test_the_time_is_up_while_others_have_the_device(
    after: int, shares_host: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it is waited for: the run ends and says who has it, and the same command goes on."""
    monkeypatch.setattr(leases, "HELD_S", 0.0)
    device = Taken(after, shares_host=shares_host)
    asked = options(tmp_path, trials=4, timeout=0.2)
    try:
        notes = study(asked, device).notes
    except Fault as error:  # there is no baseline to show
        assert after < 3
        notes = [str(error)]
    assert len(notes) == 1
    assert notes[0].startswith("the time is up, waiting for device fake, which is in use (another session)")
    assert device._leases == []
    assert study(options(tmp_path, trials=4)).record.trials_done == 4
