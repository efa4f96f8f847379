"""Rows under way: what is built while what is measured, and what a device shared with others gets."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from autotune.config import Config
from autotune.model.artifact import Artifact
from autotune.results.outcome import Measured, Outcome
from autotune.results.quality import Certainty
from autotune.search.proposals import Proposal
from autotune.search.samplers import grid
from autotune.study import scheduler
from autotune.study.scheduler import Scheduler
from autotune.study.usage import Usage
from autotune.testing import FakeDevice, FakePool, toy_build
from tests.devices.processes import LONG
from tests.study.test_driver import EVERY, SPACE, options, study


def test_the_device_is_let_go_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing has to be measured, too: others may wait for it. Nothing is lost by it."""
    monkeypatch.setattr("autotune.study.instrument.structure", lambda file: str(b"int8" in file or b"dynamic" in file))
    shares = []
    for held in (600.0, 0.0):
        monkeypatch.setattr(scheduler, "HELD_S", held)
        device = FakeDevice()
        taken: list[bool] = []
        take = device.take
        monkeypatch.setattr(device, "take", lambda shared, take=take, taken=taken: taken.append(shared) or take(shared))
        (folder := tmp_path / str(held)).mkdir()
        record = study(options(folder, trials=EVERY), device).record
        assert len(record.points) == EVERY
        shares.append(taken.count(True))
    assert shares[1] > shares[0]


def test_builds_go_on_while_another_machine_measures(tmp_path: Path) -> None:
    """A device of its own needs no quiet here: some build is under way during some measurement."""
    building, seen = threading.Semaphore(0), []

    def build(*arguments: Any) -> Artifact:
        building.release()
        try:
            threading.Event().wait(0.002)
            return toy_build(*arguments)
        finally:
            building.acquire()

    device = FakeDevice(quiet=lambda: seen.append(building._value))
    device.shares_host = False
    study(options(tmp_path, trials=EVERY), device, FakePool(build=build))
    assert max(seen) > 0


def test_many_runtimes_are_no_more_builds(tmp_path: Path) -> None:
    """A row is built once, whatever it is run on."""
    built = []
    for threads in ([1], [1, 2, 4]):
        pool = FakePool()
        device = FakeDevice()
        device.threads = tuple(threads)
        (folder := tmp_path / str(len(threads))).mkdir()
        study(options(folder, space=SPACE | {"threads": threads}, sampler=grid), device, pool)
        built.append(sorted(step.key for step in pool.built))
    assert built[0] == built[1]


@pytest.mark.parametrize("shares_host", [True, False])
def test_workers_rest_where_they_would_disturb(
    shares_host: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are measured in quiet, which is no idleness, on a device that shares this machine, and on no other."""
    resting, seen = threading.Event(), []
    rest = Usage.resting

    @contextmanager
    def marked(work: Usage) -> Iterator[None]:
        with rest(work):
            resting.set()
            yield
            resting.clear()

    monkeypatch.setattr(Usage, "resting", marked)
    monkeypatch.setattr("autotune.study.run.measure_front", lambda *_, **__: None)
    device = FakeDevice(quiet=lambda: seen.append(resting.is_set()))
    device.shares_host = shares_host
    study(options(tmp_path, trials=EVERY), device)
    assert seen == sorted(seen)  # the baseline is measured first, before there are rows
    assert any(seen) == shares_host


def test_short_work_is_let_in_beside_the_training_that_quiet_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """So no worker is idle meanwhile. Another training waits for the measurement, and comes right after it."""
    monkeypatch.setattr(scheduler, "WAITING", 1)
    asked: tuple[dict[str, Any], ...] = ({"prune": 0.5}, {"quantize": "int8"}, {"quantize": "dynamic"}, {"cluster": 8})
    configs = [Config.of(values) for values in asked]
    source = iter([Proposal(None, (config,)) for config in configs])
    order: list[str] = []
    let_in = threading.Event()

    def evaluate_runtimes(configs: Sequence[Config]) -> list[Measured]:
        recipe = configs[0].recipe
        order.append(str(recipe))
        if recipe.quantize == "dynamic":
            let_in.set()
        if recipe.prune:
            assert let_in.wait(LONG)
        return [Measured(configs[0], {}, Certainty(0.0), "file")]

    def measure(outcomes: Sequence[Measured]) -> Sequence[Measured]:
        order.append("measured")
        return outcomes

    told: list[Outcome] = []
    builder: Any = SimpleNamespace(usage=Usage(), stop=lambda: None, trains=lambda recipe: recipe.trains)
    evaluator: Any = SimpleNamespace(evaluate_runtimes=evaluate_runtimes)
    instrument: Any = SimpleNamespace(known=lambda outcome: None, measure=measure)
    with closing(
        Scheduler(
            1,
            builder,
            evaluator,
            instrument,
            nullcontext,
            quiet=True,
            tell=lambda trial, outcome: told.append(outcome),
            fail=lambda trial, config, reason, again: pytest.fail(reason),
            deadline=None,
        )
    ) as working:
        working.drain(lambda: next(source, None))
    prune, int8, dynamic, cluster = (str(config.recipe) for config in configs)
    assert set(order[:3]) == {prune, int8, dynamic}
    assert order[3:] == ["measured", cluster, "measured"]
    assert len(told) == len(configs)
