"""A picked file once more, before it is handed out: measured, and held against the test split."""

from collections.abc import Callable
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Self

from autotune.compress.worker import start
from autotune.deploy.reopen import reopened
from autotune.devices import device_file
from autotune.devices.device import Device, Session, in_use
from autotune.errors import Fault, Infeasible, UserError, one_line
from autotune.ledger import journal
from autotune.ledger.ledger import Ledger
from autotune.measure.cooling import rest
from autotune.measure.rounds import Job, measure
from autotune.model.load import import_model
from autotune.model.trust import Trust
from autotune.results.front import MeasuredPoint
from autotune.results.measurement import Measurement
from autotune.results.outcome import Outcome
from autotune.results.quality import Scored
from autotune.results.record import BASELINE, Record
from autotune.space.space import Space
from autotune.study.builder import Builder
from autotune.study.candidates import Importer
from autotune.study.evaluate import FAILURES, Evaluator
from autotune.study.finish import test_once
from autotune.study.instrument import with_result
from autotune.study.measured_file import cache_of, check_file
from autotune.study.pool import Pool, RayPool

Say = Callable[[str], None]
Leased = Callable[..., AbstractContextManager[None]]

UNMEASURED = "it was not measured again, so the latency is the study's"


@dataclass(frozen=True)
class Rechecked:
    """What became of a picked file.

    Attributes:
        latency: as it is now, None where it was not measured.
        test: what it scores on the test split, as Evaluator.test() gives it; None where that is not known.
        remarks: why there is no latency, or no test; a line each.
        baseline: as test, of the baseline.
    """

    latency: Measurement | None = None
    test: Scored | None = None
    remarks: list[str] = field(default_factory=list)
    baseline: Scored | None = None

    @classmethod
    def unmeasured(cls, record: Record, point: MeasuredPoint, *remarks: str) -> Self:
        """What the study knows of it."""
        return cls(None, record.tests.get(str(point.trial)), list(remarks), record.baseline_test)


def recheck_found(record: Record, point: MeasuredPoint, called: str | None, say: Say, trust: Trust) -> Rechecked:
    """Does what recheck() does, on the study's device where that can be found, with a worker of its own.

    Args:
        record: of the study.
        point: that was picked.
        called: what the user calls the device now; None for what it was called then.
        say: told what is being done or waited for.
        trust: what code the study's models may run, where they have to be opened.

    Raises:
        UserError: as recheck().
    """
    try:
        device = _device(record, called)
    except UserError as error:
        return Rechecked.unmeasured(record, point, f"{UNMEASURED}: {error}; see --device")
    pool = RayPool(1, partial(start, trust=trust))
    try:
        return recheck(record, point, device, say, pool, trust)
    finally:
        pool.close()


def _device(record: Record, called: str | None) -> Device:
    """The study's device: by what the user calls it now, or by what it was called then.

    Raises:
        UserError: there is none.
    """
    if called is not None:
        with suppress(UserError):  # it is but the name
            return device_file.find_device(called)
    return device_file.find_device(record.meta.options.device or record.device)


def recheck(
    record: Record,
    point: MeasuredPoint,
    device: Device,
    say: Say,
    pool: Pool,
    trust: Trust = Trust(),  # noqa: B008  # frozen
    importer: Importer = import_model,
) -> Rechecked:
    """Measures the file once more, and evaluates it and the baseline on the test split where the study has not.

    Args:
        record: of the study.
        point: that was picked.
        device: the study's.
        say: told what is being done or waited for.
        pool: for models and data that take a worker to be opened.
        trust: what code the study's models may run, where they have to be opened.
        importer: opens a model.

    Raises:
        UserError: it is another device, or refuses the file now.
    """
    tests = record.tests
    remarks = []
    if device.name != record.device:
        raise UserError(f"study {record.name!r} was measured on device {record.device}, not on {device.name}")
    try:
        with device.open() as session:
            leased = partial(session.lease, waiting=lambda by: say(in_use(device, by)))
            check_file(record, point)
            again = _measured(point, device, session, leased, say)
            if again.state == "measured" and not {str(point.trial), str(BASELINE)} <= tests.keys():
                try:
                    say("opening models and data, for the test split")
                    candidates = reopened(record, pool, importer, trust)
                    builder = Builder(candidates, (), cache_of(record), pool, record.folder)
                    tests = _tested(record, point, builder, session, leased)
                except (*FAILURES, Infeasible) as error:
                    what = "the baseline" if str(point.trial) in tests else "it"
                    remarks.append(f"{what} was not evaluated on the test split: {one_line(error)}")
    except (Fault, UserError) as error:
        return Rechecked.unmeasured(record, point, f"{UNMEASURED}: {error}")
    if again.state == "refused":
        raise UserError(f"trial {point.trial}: device {device.name} does not run it any more: {again.reason}")
    return Rechecked(again.latency, tests.get(str(point.trial)), remarks, tests.get(str(BASELINE)))


def _measured(point: MeasuredPoint, device: Device, session: Session, leased: Leased, say: Say) -> Outcome:
    """Its outcome with the latency as it is now, refused where it can't be run.

    Raises:
        Fault: the device or the way to it failed.
    """
    job = Job(Path(point.model), point.outcome.config.runtime)
    with leased(shared=False):
        [result] = measure(session, [job], status=say, rest=partial(rest, device, session, say))
    again = with_result(point.outcome, result)
    if isinstance(again, Fault):
        raise again
    return again


def _tested(
    record: Record, point: MeasuredPoint, builder: Builder, session: Session, leased: Leased
) -> dict[str, Scored]:
    """What test_once() gives; what can't be kept is not looked at."""
    with (
        journal.exclusive(record.folder, record.name),
        closing(Evaluator(builder, session, partial(leased, shared=True))) as evaluator,
    ):
        ledger = Ledger(record.folder, record.name, Space({}, ""), record.meta)
        return test_once(ledger, point, evaluator.test)
