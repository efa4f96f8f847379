"""Runs a study: waves of configurations are built together, measured in quiet, and told."""

import contextlib
import json
import logging
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from autotune.compress import load, pipeline
from autotune.compress.cache import ArtifactCache
from autotune.compress.stage import Artifact
from autotune.config import Config, Recipe, Runtime, fingerprint
from autotune.devices.device import Device, Session
from autotune.errors import Fault, Infeasible, UserError
from autotune.front import Point
from autotune.outcome import Outcome
from autotune.record import Record
from autotune.space import Space
from autotune.study import asktell
from autotune.study.pool import Pool
from autotune.study.trial import Workbench
from autotune.target import Target
from autotune.task import Data, Task, make_task, read_data, read_model
from autotune.track.picture import draw
from autotune.track.tracker import Tracker

WAVE = 4
"""Configurations under way for each worker: enough to share prefixes, few enough to learn from."""

TRIES = 2
"""How often a configuration may meet a fault before it is given up."""

log = logging.getLogger("autotune")


class Reporter(Protocol):
    """Shows a run to the person who waits for it."""

    def note(self, text: str) -> None:
        """Something worth a line."""
        ...

    def status(self, text: str) -> None:
        """What is being done."""
        ...

    def progress(self, record: Record, trials: int) -> None:
        """Where the study stands, of how many trials."""
        ...


@dataclass(frozen=True)
class Options:
    """What a run is asked for.

    Attributes:
        model, data: files.
        space: to sample from.
        targets: to meet; constraints of the search.
        trials: of the study in all, those of earlier runs included.
        timeout: seconds after which nothing new is begun, None for no limit.
        jobs: number of workers.
        seed: of splits, shuffles and the sampler.
        name: of the study.
        folder: that holds studies and their cache.
        loss, metric: None where model and labels shall say.
    """

    model: Path
    data: Path
    space: Space
    targets: list[Target]
    name: str
    folder: Path
    trials: int = 30
    timeout: float | None = None
    jobs: int = 1
    seed: int = 0
    loss: str | None = None
    metric: str | None = None


@dataclass
class Summary:
    """What a run did.

    Attributes:
        record: the study afterwards.
        work: counts and seconds, as Work.to_json(), with wall_s.
        found: finished trials that were there before.
    """

    record: Record
    work: dict[str, float]
    found: int
    notes: list[str] = field(default_factory=list)


def run(
    options: Options,
    device: Device,
    pool: Pool,
    reporter: Reporter,
    trackers: Callable[[], Sequence[Tracker]],
    importer: Callable[[bytes, str], Artifact] = load.import_model,
) -> Summary:
    """Runs or continues a study.

    Args:
        options: what is asked for.
        device: to measure on.
        pool: to build in; closed by the caller.
        reporter: told of progress.
        trackers: made once the input is known to be right; they may write.
        importer: opens the model, in a worker.

    Raises:
        UserError: model, data, space and targets don't fit each other or the study of this name.
            Nothing was written then.
    """
    began = time.monotonic()
    folder = options.folder / options.name
    _check_writable(folder)
    data = read_data(options.data, options.seed)
    source = read_model(options.model)
    cache = ArtifactCache(options.folder / ".cache")
    reporter.status("opening the model")
    base_key = fingerprint(sha256(source).hexdigest(), load.VERSION, pipeline.toolchain())
    base = cache.get(base_key) or pool.submit(importer, source, options.model.name).result()
    task = make_task(options.model, source, base.facts, data, options.loss, options.metric, options.seed)
    _check(options, task, device)
    meta = _meta(options, source, task, data, device)
    if (folder / asktell.JOURNAL).exists():
        _refuse_changes(asktell.read(folder, options.name), meta)
    folder.mkdir(parents=True, exist_ok=True)
    cache.put(base_key, base)
    with asktell.exclusive(folder, options.name), _logged(folder):
        ledger = asktell.Ledger(folder, options.name, options.space, task.quality, meta)
        bench = Workbench(task, base.data, cache, pool, folder)
        study = _Study(options, device, ledger, bench, reporter, _Quietly(trackers, reporter))
        return study.run(began)


class _Study:
    """One run of a study."""

    def __init__(
        self, options: Options, device: Device, ledger: asktell.Ledger, bench: Workbench, reporter: Reporter, tracker: Tracker
    ) -> None:
        self._options, self._device, self._ledger, self._bench = options, device, ledger, bench
        self._reporter, self._tracker = reporter, tracker
        self._faults: Counter[str] = Counter()

    def run(self, began: float) -> Summary:
        found = len(self._ledger.record().points)
        notes: list[str] = []
        with self._device.open() as evaluating, self._device.open() as timing, tempfile.TemporaryDirectory() as scratch:
            self._evaluating, self._timing = evaluating, timing
            self._inputs = Path(scratch) / "validation.npy"
            np.save(self._inputs, self._bench.task.data.validation.x)
            threads = ThreadPoolExecutor(max(1, WAVE * self._options.jobs))
            try:
                baseline = self._baseline()
                deadline = None if self._options.timeout is None else began + self._options.timeout
                while wave := self._ask(deadline):
                    self._wave(wave, threads, baseline, deadline)
                    self._tracker.update(self._ledger.record())
            except KeyboardInterrupt:
                notes.append("interrupted; the same command goes on from here")
            except TimeoutError:
                notes.append("the time is up; the same command goes on from here")
            finally:
                self._bench.stop()
                threads.shutdown(wait=False, cancel_futures=True)
            self._test()
        record = self._ledger.record()
        work = self._bench.work.to_json() | {"wall_s": round(time.monotonic() - began, 3)}
        self._ledger.note("runs", [*record.runs, work])
        if record.baseline is not None:
            draw(record, record.folder / "front.png")
            self._tracker.finish(record)
        return Summary(record, work, found, notes)

    def _baseline(self) -> Outcome:
        """The original model, converted and nothing else; a trial too where the space has it."""
        record = self._ledger.record()
        if record.baseline is not None:
            return record.baseline
        config = Config(Recipe(), Runtime(self._device.delegates[0], self._device.threads[0]))
        self._reporter.status("measuring the baseline")
        outcome = self._bench.measure(self._bench.evaluate(config, self._evaluating, self._inputs), self._timing)
        if outcome.state == "refused":
            raise UserError(f"model {self._options.model}: can't be run even as it is: {outcome.reason}")
        self._ledger.note("baseline", outcome.to_json())
        if asked := self._ledger.ask_for(config):
            self._ledger.tell(asked[0], outcome, self._options.targets, outcome)
        self._tracker.update(self._ledger.record())
        self._reporter.progress(self._ledger.record(), self._options.trials)
        return outcome

    def _ask(self, deadline: float | None) -> list[tuple[int, Config]]:
        """The next configurations to be built together; none at the end of the study."""
        left = self._options.trials - len(self._ledger.record().points)
        if deadline is not None and time.monotonic() > deadline:
            raise TimeoutError
        asked = []
        for _ in range(min(left, WAVE * self._options.jobs)):
            one = self._ledger.ask()
            if one is None:
                break
            asked.append(one)
        if left > 0 and not asked:
            self._reporter.note("every configuration of the space was tried")
        return asked

    def _wave(
        self, wave: list[tuple[int, Config]], threads: ThreadPoolExecutor, baseline: Outcome, deadline: float | None
    ) -> None:
        """Builds, evaluates and measures; where builds would disturb the device, after the last of them.

        Raises:
            TimeoutError: the deadline has come.
        """
        configs = dict(wave)
        futures = {
            threads.submit(self._bench.evaluate, config, self._evaluating, self._inputs): number for number, config in wave
        }
        waiting: list[tuple[int, Outcome]] = []
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        for done, future in enumerate(as_completed(futures, left), 1):
            self._reporter.status(f"building: {len(wave) - done} of {len(wave)} to go")
            outcome = self._outcome(futures[future], configs[futures[future]], future)
            if outcome is not None:
                waiting.append((futures[future], outcome))
            if not self._device.shares_host or done == len(wave):
                for count, (number, evaluated) in enumerate(waiting):
                    self._reporter.status(f"measuring: {len(waiting) - count} of {len(waiting)} to go")
                    self._finish(number, evaluated, baseline)
                waiting.clear()

    def _outcome(self, number: int, config: Config, future: "Future[Outcome]") -> Outcome | None:
        """What came of a build, None where it failed; that is told, too."""
        try:
            return future.result()
        except Fault as error:
            self._fault(number, config, str(error))
        except RuntimeError as error:  # a stage's own failure, with its traceback
            log.error("trial %d (%s) failed: %s", number, config, error)
            last = str(error).strip().splitlines()[-1][:300]
            self._ledger.fail(number, last, again=False)
            self._reporter.note(f"trial {number} ({config}) failed: {last}; see study.log")
        return None

    def _fault(self, number: int, config: Config, reason: str) -> None:
        self._faults[config.key] += 1
        again = self._faults[config.key] < TRIES
        log.error("trial %d (%s): %s", number, config, reason)
        self._ledger.fail(number, reason, again=again)
        self._reporter.note(f"trial {number} ({config}): {reason}; {'queued again' if again else 'given up'}")

    def _finish(self, number: int, evaluated: Outcome, baseline: Outcome) -> None:
        try:
            outcome = self._bench.measure(evaluated, self._timing)
        except Fault as error:
            self._fault(number, evaluated.config, str(error))
            return
        if outcome.state == "refused":
            self._reporter.note(f"trial {number} ({outcome.config}) refused: {outcome.reason}")
        self._ledger.tell(number, outcome, self._options.targets, baseline)
        self._reporter.progress(self._ledger.record(), self._options.trials)

    def _test(self) -> None:
        """The recommended file's quality on the test split, once."""
        record = self._ledger.record()
        front = record.front()
        pick = front.pick() if front else None
        if pick is None or str(pick.trial) in record.tests:
            return
        self._ledger.note("tests", record.tests | {str(pick.trial): test(self._bench.task, pick, self._timing)})


def test(task: Task, point: Point, session: Session) -> dict[str, float]:
    """What a file scores on the test split, which no search has seen.

    Returns:
        The quality under its metric's key, standard_error and samples.
    """
    assert point.model is not None  # only measured points are picked
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder) / "test.npy"
        np.save(inputs, task.data.test.x)
        outputs = session.outputs(Path(point.model), point.outcome.config.runtime, inputs)
    quality, error = task.score(outputs, task.data.test.y)
    return {task.quality.key: quality, "standard_error": error, "samples": len(outputs)}


class _Quietly:
    """Trackers whose failures cost nothing but a line."""

    def __init__(self, trackers: Callable[[], Sequence[Tracker]], reporter: Reporter) -> None:
        self._make, self._reporter = trackers, reporter
        self._trackers: list[Tracker] | None = None

    def update(self, record: Record) -> None:
        self._each(lambda tracker: tracker.update(record))

    def finish(self, record: Record) -> None:
        self._each(lambda tracker: tracker.finish(record))

    def _each(self, act: Callable[[Tracker], None]) -> None:
        try:
            if self._trackers is None:
                self._trackers = list(self._make())
            for tracker in self._trackers:
                act(tracker)
        except Exception as error:  # whatever a tracking server does, it must not cost a trial
            log.exception("tracking failed")
            self._trackers = []
            self._reporter.note(f"tracking failed, the study goes on without it: {str(error).splitlines()[0][:200]}")


def _check(options: Options, task: Task, device: Device) -> None:
    """What can only be known once model and device are.

    Raises:
        UserError: a target on a metric that the task has not, or a delegate that the device has not.
    """
    for target in options.targets:
        metric = target.metric
        if metric.kind in ("share", "number") and metric is not task.quality:
            raise UserError(f"target {target.text!r}: this task's metric is {task.quality.name}, not {metric.name}")
    unknown = [name for name in options.space.choices("delegate") if name not in device.delegates]
    if unknown:
        raise UserError(
            f"space {options.space.source}: unknown delegate {unknown[0]!r}; "
            f"device {device.name} has {', '.join(device.delegates)}"
        )


def _meta(options: Options, source: bytes, task: Task, data: Data, device: Device) -> dict[str, Any]:
    """What a study is kept with: its identity, and what a person wants to know of it."""
    splits = [data.train.fingerprint(), data.validation.fingerprint(), data.test.fingerprint()]
    return {
        "version": 1,
        "id": uuid.uuid4().hex,
        "seed": options.seed,
        "quality": task.quality.name,
        "targets": [target.text for target in options.targets],
        "device": device.facts(),
        "options": {
            "model": str(options.model.resolve()),
            "data": str(options.data.resolve()),
            "space": options.space.source,
            "loss": task.loss,
            "metric": task.quality.name,
            "seed": options.seed,
        },
        "identity": {
            "model": sha256(source).hexdigest(),
            "data": fingerprint(splits),
            "space": options.space.fingerprint(),
            "targets": fingerprint([target.text for target in options.targets]),
            "loss": task.loss,
            "metric": task.quality.name,
            "seed": options.seed,
            "device": device.name,
        },
    }


def _refuse_changes(record: Record, meta: dict[str, Any]) -> None:
    before, now = record.meta["identity"], meta["identity"]
    changed = [name for name in now if before.get(name) != now[name]]
    if changed:
        raise UserError(
            f"study {record.name!r} was started with another {' and another '.join(changed)}; "
            "choose another --name (files that fit are taken from the cache all the same)"
        )


def _check_writable(folder: Path) -> None:
    """Raises:
    UserError: the folder is not there and can't be made, or can't be written to."""
    above = next(path for path in (folder, *folder.parents) if path.exists())
    if not above.is_dir():
        raise UserError(f"--dir: {above} is a file; choose a folder")
    try:
        with tempfile.TemporaryDirectory(dir=above):
            pass
    except OSError as error:
        raise UserError(f"--dir: can't write into {above}: {error.strerror}; choose another --dir") from error


@contextlib.contextmanager
def _logged(folder: Path) -> Any:
    """autotune's log lines in the study's study.log."""
    handler = logging.FileHandler(folder / "study.log")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()
