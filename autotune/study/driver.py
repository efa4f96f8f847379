"""A run of a study: what it takes is checked, opened and put together here, and closed at its end."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial

from autotune.config import Config
from autotune.devices.device import Device
from autotune.ledger import journal, siblings
from autotune.ledger.ledger import Ledger
from autotune.ledger.quiet import quiet
from autotune.measure.cooling import rest
from autotune.model.load import import_model
from autotune.process.environment import homeless, variables
from autotune.results.channel_plan import ChannelPlan
from autotune.results.record import Begun
from autotune.search.feasibility import Gate
from autotune.search.patience import Patience
from autotune.search.proposals import Proposals
from autotune.search.samplers import these
from autotune.search.search import Search
from autotune.study.baseline import BaselineCheck
from autotune.study.builder import Builder
from autotune.study.candidates import Importer, Opened
from autotune.study.channel_plans import ChannelPlans
from autotune.study.channels import ChannelPlanner
from autotune.study.evaluate import Evaluator
from autotune.study.instrument import Instrument
from autotune.study.latency_cache import LatencyCache
from autotune.study.leases import Leases
from autotune.study.log import logged
from autotune.study.options import Options
from autotune.study.pool import Pool
from autotune.study.prepare import Prepared, prepare
from autotune.study.recorder import Recorder
from autotune.study.reporting import Reporter, Summary
from autotune.study.run import Run, Setup
from autotune.study.scheduler import Scheduler
from autotune.study.untrained_files import UntrainedFiles
from autotune.study.warm_start import ScoresElsewhere
from autotune.targets.metric import LATENCY
from autotune.track.background import Background
from autotune.track.tracker import Tracker


def run(
    options: Options,
    device: Device,
    pool: Pool,
    reporter: Reporter,
    trackers: Callable[[], Sequence[Tracker]],
    importer: Importer = import_model,
    opened: Opened | None = None,
    began: float | None = None,
    local: Sequence[Tracker] = (),
) -> Summary:
    """Runs or continues a study.

    Args:
        options: what is asked for.
        device: to measure on.
        pool: to build in; closed by the caller.
        reporter: told of progress.
        trackers: made once the input is known to be right, in a thread of their own; they may write.
        importer: opens the model, in a worker.
        opened: as prepare() takes it.
        began: when, on the clock of time.monotonic(); None for now.
        local: trackers that write into the study's folder: finish() is called at the end of the run, however it ended,
            once there is a baseline. What they raise ends it.

    Raises:
        UserError: model, data, space and targets don't fit each other or the study of this name.
            Nothing was written then.
    """
    began = time.monotonic() if began is None else began
    if opened is None:
        reporter.status("opening the model")
    with logged() as log_to, quiet(), variables(homeless()):
        prepared = prepare(options, device, pool, importer, opened)
        if prepared.leader is not None:
            options = _following(options, prepared.leader)
        for remark in prepared.remarks():
            reporter.note(remark)
        with journal.exclusive(prepared.folder, prepared.name):
            log_to(prepared.folder)
            plans = ChannelPlans()
            ledger = Ledger(
                prepared.folder,
                prepared.name,
                prepared.space,
                prepared.meta,
                _fits(prepared, plans),
                only={} if options.train_samples is None else {"samples": options.train_samples},
            )
            plans.plans |= ledger.record().channels if prepared.leader is None else _followed(prepared.leader)
            if ledger.mended:
                reporter.note(ledger.mended)
            with Background(trackers, reporter.note) as tracker:
                tracker.update(ledger.record())
                return _run(Setup(options, prepared, device, pool, ledger, plans, reporter, tracker, began), local)


def _fits(prepared: Prepared, plans: ChannelPlans) -> Callable[[Config], bool]:
    """Whether a configuration makes sense, as far as is known by then."""
    return lambda config: prepared.fits(config) and plans.allows(config.recipe)


def _followed(leader: Begun) -> dict[str, ChannelPlan]:
    """Its plans, without what files take on its device."""
    return {name: replace(planned, structure=None, speed=None) for name, planned in leader.channels.items()}


def _following(options: Options, leader: Begun) -> Options:
    """What is asked for where another study has searched: its files, all of them and nothing else."""
    files = siblings.files(leader)
    return replace(options, trials=len(files), patience=None, sampler=these(files))


def _run(setup: Setup, local: Sequence[Tracker]) -> Summary:
    """Runs a study whose journal is open, and keeps what the run took."""
    ledger, options, tracker = setup.ledger, setup.options, setup.tracker
    patience = Patience(options.patience)
    recorder = Recorder(ledger, setup.prepared.targets, options.trials, patience, setup.reporter, tracker)
    before = ledger.record()
    if before.trials_done and isinstance(before, Begun):
        recorder.show()
    with _composed(setup, recorder) as running:
        notes, ended = running.go()
    if ended is not None:
        running.scheduler.salvage()
    now = time.monotonic()
    usage = running.builder.usage
    times = {"wall_s": round(now - setup.began, 3), "startup_s": round((usage.began or now) - setup.began, 3)}
    done = usage.to_json() | times
    ledger.note("runs", [*ledger.record().runs, done])
    record = ledger.begun()
    for each in local:
        each.finish(record)
    tracker.finish(record, hasty=ended is not None)
    return Summary(record, done, before.trials_done, notes, ended)


@contextlib.contextmanager
def _composed(setup: Setup, recorder: Recorder) -> Iterator[Run]:
    """A run's parts, put together on sessions of the device, which are open for as long."""
    options, prepared, device, ledger = setup.options, setup.prepared, setup.device, setup.ledger
    candidates = prepared.candidates
    builder = Builder(
        candidates,
        options.exclude,
        prepared.cache,
        setup.pool,
        ledger.folder,
        options.jobs,
        setup.reporter.working,
        setup.plans,
    )
    latencies = LatencyCache(options.folder / ".cache" / "latency", device.facts())
    setup.plans.latency = latencies.get
    gate = Gate(ledger, prepared.space.runtimes(), setup.plans.known, setup.plans.speed)
    search = Search(ledger, prepared.space, builder.steps, builder.built, gate, ledger.seed)
    sampler = cache(lambda: options.sampler(search))  # made when it is first asked: how channels are cut is known then
    proposals = Proposals(
        ledger, prepared.space, list(candidates), options.trials, lambda under_way: sampler()(under_way), gate
    )
    elsewhere = None if prepared.leader is None else ScoresElsewhere(prepared.leader)
    # The scheduler ends after the sessions: what the device is doing for one of them is not waited for.
    with contextlib.ExitStack() as ending, device.open() as evaluating, device.open() as timing:
        deadline = None if options.timeout is None else setup.began + options.timeout
        leases = Leases(device, evaluating, timing, setup.reporter, setup.tracker.hushed, deadline)
        evaluator = Evaluator(builder, evaluating, leases.evaluating, elsewhere, options.codec)
        ending.enter_context(contextlib.closing(evaluator))
        cool = partial(rest, device, timing, setup.reporter.status)
        instrument = Instrument(builder, timing, latencies, leases.timing, setup.reporter.status, cool)
        scheduler = Scheduler(
            options.jobs,
            builder,
            evaluator,
            instrument,
            leases.building,
            quiet=device.shares_host,
            tell=recorder.tell,
            fail=recorder.fail,
            deadline=deadline,
        )
        ending.enter_context(contextlib.closing(scheduler))
        baseline_check = BaselineCheck(builder, evaluator, instrument, leases.building, setup.reporter.note)
        untrained = UntrainedFiles(builder, instrument, leases.building, deadline, setup.reporter.status)
        planner = ChannelPlanner(
            builder,
            untrained,
            leases.building,
            prepared.space,
            LATENCY in prepared.objectives or any(target.metric.kind == "time" for target in prepared.targets),
            setup.reporter.status,
            setup.reporter.note,
        )
        try:
            yield Run(
                setup, recorder, builder, leases, evaluator, instrument, baseline_check, planner, scheduler, proposals
            )
        finally:
            instrument.stop()
