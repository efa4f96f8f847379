"""Contract suites: inherit from one, give it what it asks for, and its tests say whether a plug-in keeps it."""

import json
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autotune.compress.stage import Stage, TrainingData
from autotune.config import Config, Recipe, Runtime
from autotune.devices.device import Device, Session
from autotune.errors import Fault, Infeasible
from autotune.json_object import JsonObject
from autotune.model.artifact import is_tflite, unpack
from autotune.model.load import open_base
from autotune.results.outcome import Refused
from autotune.results.profile import OperatorTime
from autotune.results.record import Record
from autotune.search.search import Sampler
from autotune.testing.results import toy_outcome, toy_record
from autotune.testing.search import ToySearch
from autotune.track.tracker import Tracker


class StageContract:
    """What every stage keeps. Give it a stage, a recipe that takes it, a base and data."""

    stage: Stage
    recipe: Recipe

    def inputs(self) -> tuple[bytes, TrainingData]:
        """A base, as model.load.import_model() gives it, and training data that fit it."""
        raise NotImplementedError

    def parent(self) -> bytes | None:
        """What the stage before would have made of the base; None for one that can be the first."""
        return None

    def parameters(self) -> JsonObject:
        """The parameters that the stage has of the recipe."""
        parameters = self.stage.parameters(self.recipe)
        if parameters is None:
            raise AssertionError(f"stage {self.stage.name} has no part in {self.recipe}")
        return parameters

    def test_has_no_part_in_a_recipe_that_does_not_name_it(self) -> None:
        """The default recipe, which does nothing, is converted and takes no other stage but the last."""
        assert self.stage.parameters(Recipe()) is None or self.stage.name in ("convert", "quantize")

    def test_parameters_are_json(self) -> None:
        """They are part of the key."""
        parameters = self.parameters()
        assert json.loads(json.dumps(parameters)) == parameters

    def test_builds_weights_or_a_file(self) -> None:
        """The artifact is weights that the next stage can unpack, a .tflite file, or a model where the stage says so;
        the facts are JSON.
        """
        base, data = self.inputs()
        artifact = self.stage.build(base, self.parent(), self.parameters(), data)
        json.dumps(artifact.facts)
        if getattr(self.stage, "gives_model", False):
            assert open_base(artifact.data).inputs
        else:
            assert is_tflite(artifact.data) or unpack(artifact.data)


class DeviceContract:
    """What every device keeps. Give it a device, and a .tflite file with inputs that fit it."""

    def device(self) -> Device:
        """A fresh device."""
        raise NotImplementedError

    def file(self, folder: Path) -> tuple[Path, NDArray[np.float32]]:
        """A file that each delegate of the device runs, and inputs (n, *input shape) for it."""
        raise NotImplementedError

    def test_runs_through_every_delegate(self, tmp_path: Path) -> None:
        """A row of finite outputs for each input, and times above zero."""
        device = self.device()
        model, samples = self.file(tmp_path)
        inputs = tmp_path / "inputs.npy"
        np.save(inputs, samples)
        with device.open() as session:
            for delegate in device.delegates:
                for threads in device.threads:
                    runtime = Runtime(delegate, threads)
                    outputs = session.outputs(model, runtime, inputs)
                    assert len(outputs) == len(samples)
                    assert outputs.dtype == np.float32
                    assert np.isfinite(outputs).all()
                    timing = session.latency(model, runtime)
                    assert min(timing.times_us) > 0
                    assert timing.first_us > 0
                    assert timing.init_us > 0

    def test_refuses_what_is_no_model(self, tmp_path: Path) -> None:
        """A file that is no model is infeasible, and the session can be used afterwards."""
        device = self.device()
        model, samples = self.file(tmp_path)
        broken = tmp_path / "broken.tflite"
        inputs = tmp_path / "inputs.npy"
        broken.write_bytes(b"no model")
        np.save(inputs, samples)
        runtime = Runtime(device.delegates[0], device.threads[0])
        with device.open() as session:
            try:
                session.latency(broken, runtime)
            except Infeasible:
                pass
            else:
                raise AssertionError("a file that is no model was run")
            assert len(session.outputs(model, runtime, inputs)) == len(samples)

    def test_facts_are_json(self) -> None:
        """They are kept with the study."""
        json.dumps(self.device().facts().to_json())

    def test_says_why_delegates_are_missing(self) -> None:
        """None is both there and missing, and each that is missing has a reason."""
        device = self.device()
        missing = device.missing()
        assert not missing.keys() & set(device.delegates)
        assert all(missing.values())

    def test_profile_is_operators_or_none(self, tmp_path: Path) -> None:
        """A profile has operators in the order in which they run; None where the runtime can't tell."""
        device = self.device()
        model, _ = self.file(tmp_path)
        with device.open() as session:
            for delegate in device.delegates:
                operators = session.profile(model, Runtime(delegate, device.threads[0]), 0.05)
                if operators is not None:
                    assert all(isinstance(operator, OperatorTime) and operator.time_us >= 0 for operator in operators)
                    starts = [operator.start_us for operator in operators]
                    assert starts == sorted(starts)

    def test_runs_on_end_and_beside_busy_cores_where_it_says_so(self, tmp_path: Path) -> None:
        """A window of times for each second; a file that is timed beside a busy core."""
        device = self.device()
        model, _ = self.file(tmp_path)
        runtime = Runtime(device.delegates[0], device.threads[0])
        with device.open(load=1 if device.loads else 0) as session:
            assert min(session.latency(model, runtime).times_us) > 0
            windows = session.sustain(model, runtime, 0.5) if device.sustains else []
        assert bool(windows) == device.sustains
        assert all(window.at_s >= 0 and min(window.times_us) > 0 for window in windows)

    def test_knows_the_names_of_its_delegates(self) -> None:
        """All that it has, or tries to have, are among them, where it knows any."""
        device = self.device()
        names = device.delegate_names
        assert not names or {*device.delegates, *device.missing()} <= set(names)

    def test_temperature_is_a_number_or_none(self) -> None:
        """A temperature in °C is a number that a machine survives."""
        with self.device().open() as session:
            degrees = session.temperature()
        assert degrees is None or -50 < degrees < 150

    def test_an_exclusive_lease_is_held_alone(self) -> None:
        """Whoever asks for the device meanwhile waits, and is told."""
        device = self.device()
        for shared in (False, True):
            with device.open() as first, device.open() as second:
                with first.lease(waiting=_unheard):
                    asking = _Asking(second, shared)
                    assert asking.told.wait(LONG)
                    assert not asking.held.is_set()
                asking.join(LONG)
                assert asking.held.is_set()

    def test_a_shared_lease_admits_its_like_only(self) -> None:
        """Another that shares comes in; one that wants the device alone waits."""
        device = self.device()
        with device.open() as first, device.open() as second:
            with first.lease(shared=True, waiting=_unheard):
                sharing = _Asking(second, True)
                sharing.join(LONG)
                assert sharing.held.is_set()
                asking = _Asking(second, False)
                assert asking.told.wait(LONG)
                assert not asking.held.is_set()
            asking.join(LONG)
            assert asking.held.is_set()

    def test_a_closed_session_does_not_wait_on(self) -> None:
        """Whoever waits with it for the device in another thread is told so by a Fault."""
        device = self.device()
        with device.open() as first, first.lease(waiting=_unheard):
            with device.open() as second:
                asking = _Asking(second, shared=False)
                assert asking.told.wait(LONG)
            asking.join(LONG)
        assert not asking.is_alive()
        assert isinstance(asking.fault, Fault)
        assert not asking.held.is_set()


LONG = 60.0
"""Seconds after which something never happens."""


def _unheard(holder: str) -> None:
    """A message to the user that nobody hears."""


class _Asking(threading.Thread):
    """Takes a lease, and leaves it.

    Attributes:
        told: set where it is told to wait.
        held: set where it got the lease.
        fault: that it met instead.
    """

    fault: Fault | None = None

    def __init__(self, session: Session, shared: bool) -> None:
        super().__init__(daemon=True)
        self.told, self.held = threading.Event(), threading.Event()
        self._session = session
        self._shared = shared
        self.start()

    def run(self) -> None:
        try:
            with self._session.lease(shared=self._shared, waiting=lambda _: self.told.set()):
                self.held.set()
        except Fault as error:
            self.fault = error


class SamplerContract:
    """What every sampler keeps. Give it a sampler."""

    def sampler(self) -> Sampler:
        """The sampler, as its entry point names it."""
        raise NotImplementedError

    def test_proposes_each_recipe_once(self, tmp_path: Path) -> None:
        """All that the space has, as trials of the ledger's; then nothing, however often it is asked."""
        search = ToySearch(tmp_path, self.sampler())
        while (number := search.propose()) is not None:
            search.measure(number)
        assert len(search.tried) == 18
        assert search.propose() is None

    def test_several_are_built_at_a_time(self, tmp_path: Path) -> None:
        """A sampler proposes others meanwhile, or waits for one of them to end, not longer."""
        search = ToySearch(tmp_path, self.sampler())
        while (number := search.propose()) is not None:
            search.propose()
            search.propose()
            search.measure(number)
            for other in list(search.building):
                search.measure(other)
        assert len(search.tried) == 18

    def test_goes_on_after_what_has_no_numbers(self, tmp_path: Path) -> None:
        """A search goes on, from the first on; what was refused or failed by the machine does not come again."""
        search = ToySearch(tmp_path, self.sampler())
        for end in (search.refuse, search.fail, search.refuse, search.measure, search.fail):
            end(search.proposed())
        search.proposed()

    def test_the_seed_decides(self, tmp_path: Path) -> None:
        """The same one gives the same recipes in the same order, where the same came of them."""
        orders = []
        for folder in (tmp_path / "first", tmp_path / "second"):
            search = ToySearch(folder, self.sampler(), seed=3)
            for _ in range(12):
                search.measure(search.proposed())
            orders.append(search.tried)
        assert orders[0] == orders[1]

    def test_a_study_goes_on(self, tmp_path: Path) -> None:
        """A second run knows what the first one tried."""
        first = ToySearch(tmp_path, self.sampler())
        for _ in range(6):
            first.measure(first.proposed())
        second = ToySearch(tmp_path, self.sampler())
        while (number := second.propose()) is not None:
            second.measure(number)
        assert {recipe.key for recipe in first.tried}.isdisjoint(recipe.key for recipe in second.tried)
        assert len(first.tried) + len(second.tried) == 18

    def test_a_space_may_have_no_end(self, tmp_path: Path) -> None:
        """A space of ranges: what is proposed is in them, and new each time."""
        search = ToySearch(tmp_path, self.sampler(), {"prune": {"low": 0.0, "high": 0.9}, "quantize": ["none", "int8"]})
        for _ in range(12):
            search.measure(search.proposed())


class TrackerContract:
    """What every tracker keeps. Give it a tracker, and a way to see what it shows."""

    def tracker(self, folder: Path) -> Tracker:
        """A tracker on the store in this folder; the same one each time."""
        raise NotImplementedError

    def shown(self, folder: Path, record: Record) -> Mapping[int, str]:
        """The trials that the store shows of this record, with their states."""
        raise NotImplementedError

    def test_shows_each_trial_once(self, tmp_path: Path) -> None:
        """However often it is told, and by however many trackers on the same store."""
        refused = Refused(Config.of({"delegate": "builtin"}), "no")
        record = toy_record(
            tmp_path / "study", toy_outcome(0.9, 1.0, 1000), toy_outcome(0.8, 0.5, 500, prune=0.5), refused
        )
        for _ in range(2):
            tracker = self.tracker(tmp_path)
            tracker.update(Record(record.name, record.folder, record.meta))
            tracker.update(record)  # the study may go on, and be marked so
            tracker.finish(record)
            assert tracker.finish(record) == self.tracker(tmp_path).finish(record) == 0
        assert self.shown(tmp_path, record) == {0: "measured", 1: "measured", 2: "refused"}
