"""A study of 10,000 trials: what a trial costs at its end over what it costs at its beginning.

Files that were never built, with numbers that depend smoothly on their recipes, and noise: 2500 of them on four
runtimes each, one trial asked for and three that come with it. All else is real: proposals, sampler, ledger,
journal, and what the driver does after each outcome. Goals: asking and telling take at most twice as long in the
last thousand trials as in the first, at most 1 GiB of memory, the front of 100,000 outcomes in under a second.
"""

import contextlib
import itertools
import os
import random
import resource
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from autotune import plugins
from autotune.compress import pipeline
from autotune.config import Config, Recipe
from autotune.ledger.ledger import Ledger
from autotune.results.front import MeasuredPoint
from autotune.results.outcome import Measured
from autotune.results.record import Record
from autotune.search.feasibility import Gate
from autotune.search.patience import Patience
from autotune.search.proposals import Proposals
from autotune.search.search import Search
from autotune.space.file import parse
from autotune.targets.target import parse_all
from autotune.terminal.lines import PlainOutput
from autotune.testing import toy_measurement, toy_meta, toy_outcome

SPACE: dict[str, Any] = {
    "prune": [0, 0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9],
    "cluster": [0, 32, 16, 8],
    "augment": ["mix", "none"],
    "epochs": [5, 20],
    "learning_rate": [0.001, 0.0003],
    "quantize": ["none", "float16", "dynamic", "weight_int8", "int8", "int16x8", "int4", "qat"],
    "mixed": [0, 0.25, 0.5],
    "delegate": ["xnnpack", "builtin"],
    "threads": [1, 2],
}
"""The space `full` with more steps of pruning: 5500 files."""

TARGETS = ["accuracy>=baseline-2%", "latency<8ms"]
META = toy_meta(*TARGETS)
SAMPLERS = ("ehvi", "random")
TRIALS = 10_000
WINDOW = 1000
OUTCOMES = 100_000
SIZES = {"none": 1.0, "float16": 0.5, "int4": 0.13}
"""Of a file over the float one's; of all others a quarter."""

TIMES = {"none": 1.0, "float16": 1.0, "weight_int8": 1.0, "int16x8": 8.0, "int4": 1.5}
"""Of an inference, likewise a third."""

LOSSES = {"none": 0.0, "float16": 0.0, "weight_int8": 0.001, "int4": 0.03}
"""Of accuracy, likewise 0.004."""

T = TypeVar("T")


def measured(config: Config) -> Measured:
    """What a configuration is taken to give: the same each time."""
    recipe, runtime = config.recipe, config.runtime
    noise, of_kind = random.Random(recipe.key), random.Random(f"{recipe.quantize} {recipe.mixed}")
    spared = recipe.mixed if recipe.matters("mixed") else 0.0
    lost = LOSSES.get(recipe.quantize, 0.004) * (1 - spared) + 0.3 * recipe.prune**6
    lost += {0: 0.0, 32: 0.004, 16: 0.01, 8: 0.04}[recipe.cluster]
    if recipe.trains:
        lost *= 1.2 - 0.1 * (recipe.epochs > 5) - 0.1 * (recipe.augment == "mix") + 100 * (0.001 - recipe.learning_rate)
    size, slow = SIZES.get(recipe.quantize, 0.25), TIMES.get(recipe.quantize, 0.33)
    download = (
        300e3 * (size + 0.2 * spared) * (1 - 0.8 * recipe.prune) * {0: 1.0, 32: 0.6, 16: 0.5, 8: 0.4}[recipe.cluster]
    )
    latency = 10 * (slow + 0.2 * spared) * of_kind.uniform(0.95, 1.05) * (1 if runtime.threads == 1 else 0.6)
    latency *= 1 if runtime.delegate == "xnnpack" else 1.3
    accuracy = 0.9 - lost + noise.gauss(0, 0.004)
    found = toy_outcome(accuracy, latency, download * noise.uniform(0.99, 1.01), **config.canonical())
    return found.with_latency(toy_measurement(latency))


class Study:
    """A study without device, model or pool.

    Attributes:
        asks, tells: seconds of each, with the number of outcomes that had been told.
    """

    def __init__(self, folder: Path, sampler: str) -> None:
        """
        Args:
            folder: for its journal.
            sampler: that proposes.
        """
        space = parse(SPACE, "scale", (1, 2))
        self._ledger = Ledger(folder, "scale", space, META)
        self._baseline, self._targets = measured(Config.of({})), parse_all(TARGETS)[0]
        self._ledger.begin(self._baseline)
        self._built: set[str] = set()
        gate = Gate(self._ledger, space.runtimes())
        search = Search(self._ledger, space, self._steps, self._built.__contains__, gate, 0)
        proposals = Proposals(self._ledger, space, [""], TRIALS, plugins.load("samplers", sampler)(search), gate)
        self._proposals, self._plain = proposals, itertools.chain.from_iterable(proposals.baselines())
        self._reporter, self._patience = PlainOutput(), Patience(TRIALS)
        self.asks: list[tuple[int, float]] = []
        self.tells: list[tuple[int, float]] = []

    def run(self, trials: int) -> None:
        """Asks and tells, as the driver does, until so many outcomes are told."""
        while len(self.tells) < trials:
            assert not self._patience.is_over(self._ledger.trials_asked)
            row, seconds = timed(lambda: next(self._plain, None) or self._proposals.sampled([]))
            self.asks.append((len(self.tells), seconds))
            assert row is not None
            assert row.trial is not None
            self._built.update(step.key for step in self._steps(row.recipe))
            for trial, config in zip((row.trial, *[None] * len(row.configs)), row.configs, strict=False):
                outcome = measured(config)
                _, seconds = timed(partial(self._tell, trial, outcome))
                self.tells.append((len(self.tells), seconds))

    def _tell(self, trial: int | None, outcome: Measured) -> None:
        """See the driver's."""
        if trial is None:
            self._ledger.add(outcome, self._targets)
        else:
            self._ledger.tell(trial, outcome, self._targets)
        record = self._ledger.begun()
        self._reporter.progress(record, TRIALS)
        self._patience.see(record.trials_done, record.hypervolume())

    def _steps(self, recipe: Recipe) -> list[pipeline.Step]:
        return pipeline.steps(recipe, "scale")


def timed(act: Callable[[], T]) -> tuple[T, float]:
    """What an act gives, and its seconds."""
    began = time.perf_counter()
    found = act()
    return found, time.perf_counter() - began


def main() -> None:
    """Prints a table; memory is the most that this process has had until then."""
    print(f"| | first {WINDOW} trials, median | last {WINDOW} | ratio |")
    print("|---|---|---|---|")
    for sampler in SAMPLERS:
        with tempfile.TemporaryDirectory() as folder:
            study = Study(Path(folder), sampler)
            with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
                study.run(TRIALS)
        for what, seconds in (("ask", study.asks), ("tell", study.tells)):
            first = 1e3 * median(took for told, took in seconds if told < WINDOW)
            last = 1e3 * median(took for told, took in seconds if told >= TRIALS - WINDOW)
            print(f"| {sampler}: {what} | {first:.1f} ms | {last:.1f} ms | {last / first:.2f} |", flush=True)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"| {sampler}: memory | | {memory:.2f} GiB | |", flush=True)
    _front()


def _front() -> None:
    """Prints how long a front takes."""
    draw = random.Random(0)
    outcomes = [toy_outcome(draw.random(), 10 * draw.random(), 300e3 * draw.random()) for _ in range(OUTCOMES)]
    points = [MeasuredPoint(number, outcome, {}, "") for number, outcome in enumerate(outcomes)]
    record = Record("scale", Path(), toy_meta(), points).begin(toy_outcome(0.9, 10, 300e3))
    front, seconds = timed(record.front)
    _, more = timed(record.hypervolume)
    print(f"\nfront of {OUTCOMES} outcomes ({len(front.points)} points) {seconds:.2f} s, its hypervolume {more:.2f} s")


if __name__ == "__main__":
    main()
