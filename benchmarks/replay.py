"""Replays searches on a recorded table: how much of the best front they have after how much of the training.

Two workers in simulated time; a training takes what it took when the table was recorded (benchmarks/table.py).
For each of 30 seeds the accuracies are those recorded plus a noise, as if all had been trained again. All
searches have autotune's cache and rows; only its own has the baselines, which are a part of it.
"""

import gzip
import heapq
import itertools
import json
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import optuna
from numpy.typing import NDArray

from autotune import plugins
from autotune.compress.pipeline import Step
from autotune.config import Config, Recipe, Runtime
from autotune.ledger.ledger import Ledger
from autotune.results.channel_plan import ChannelPlan
from autotune.results.front import dominated, relative
from autotune.results.outcome import Measured
from autotune.results.quality import Certainty
from autotune.search.feasibility import Gate
from autotune.search.proposals import Proposal, Proposals
from autotune.search.search import Search
from autotune.space.space import Categorical, Dimension, Space
from autotune.study.channel_plans import ChannelPlans
from autotune.targets.metric import ACCURACY, DOWNLOAD, LATENCY
from autotune.testing import toy_meta

TABLES = Path(__file__).with_name("tables")
PICTURE = Path(__file__).parents[1] / "docs" / "replay.png"
OBJECTIVES = (ACCURACY, LATENCY, DOWNLOAD)
OURS = "ehvi"
SEARCHES = (OURS, "tpe", "nsga2", "random", "grid")
SEEDS = 30
CHANNELS_SEEDS = 5
ALL_CHANNELS: dict[str, Dimension] = {"channels": Categorical((1.0,))}
WORKERS = 2
A_FILE_S = 0.5
"""Seconds that a file takes besides its training: quantized, evaluated."""

BUDGETS = np.linspace(0, 0.6, 121)
"""Shares of the time that all trainings take."""

NOISE = 0.005
"""Standard deviation of an accuracy over trainings, in shares."""

Curve = NDArray[np.float64]


class Table:
    """A recorded grid.

    Attributes:
        space: of the grid.
        steps: each recipe's stages, by its key.
        seconds: that each training took, by its stage's key.
        plans: how channels were cut.
        outcomes: by configuration.
    """

    def __init__(self, seed: int, path: Path = TABLES / "resnet8.json.gz") -> None:
        """
        Args:
            seed: of the noise.
            path: of the file.
        """
        content = json.loads(gzip.decompress(path.read_bytes()))
        noise = np.random.default_rng(seed)
        self.seconds: dict[str, float] = content["seconds"]
        planned = content.get("plans", {})
        self.plans = ChannelPlans({name: ChannelPlan.from_json(plan) for name, plan in planned.items()})
        self.steps: dict[str, list[Step]] = {}
        self.outcomes: dict[str, Measured] = {}
        self.space = Space({name: Categorical(tuple(values)) for name, values in content["grid"].items()}, path.name)
        for row in content["rows"]:
            recipe = Config.of(row["recipe"]).recipe
            if recipe.fine_tune == "none" or not row["steps"]:
                continue
            self.steps[recipe.key] = [
                Step(key, stage, {"epochs": recipe.epochs}, trains) for key, stage, trains in row["steps"]
            ]
            luck = float(noise.normal(0, NOISE)) if self.trainings(recipe) else 0.0
            for name, latency in content["latency_ms"].get(row.get("structure"), {}).items():
                delegate, threads = name.rsplit("-", 1)
                if "refused" not in row["quality"][delegate]:
                    config = Config(recipe, Runtime(delegate, int(threads)))
                    self.outcomes[config.key] = _outcome(config, row, latency, luck)

    def has(self, config: Config) -> bool:
        """Whether it was recorded, and not refused."""
        return config.key in self.outcomes

    @cached_property
    def baseline(self) -> Measured:
        """The model as it is."""
        return self.outcomes[Config(Recipe(), Runtime()).key]

    def trainings(self, recipe: Recipe) -> list[str]:
        """Keys of the recipe's trainings."""
        return [step.key for step in self.steps[recipe.key] if step.trains]

    def whole(self) -> tuple[float, float]:
        """Seconds of all trainings, and the hypervolume of all outcomes."""
        keys = {step.key for steps in self.steps.values() for step in steps if step.trains}
        return sum(self.seconds[key] for key in keys), self.hypervolume(list(self.outcomes.values()))

    def hypervolume(self, outcomes: list[Measured]) -> float:
        """Of some outcomes, as front.hypervolume()."""
        return dominated([relative(outcome.metrics, OBJECTIVES, self.baseline.metrics) for outcome in outcomes])


def _outcome(config: Config, row: dict[str, Any], latency: float, luck: float) -> Measured:
    quality = row["quality"][config.runtime.delegate]
    metrics = {
        "accuracy": min(1.0, quality["accuracy"] + luck),
        "latency_ms": latency,
        "size_bytes": float(row["size_bytes"]),
        "download_bytes": float(row["download_bytes"]),
    }
    return Measured(config, metrics, Certainty(quality["standard_error"]), config.recipe.key)


def replay(table: Table, name: str, seed: int, space: Space | None = None) -> Curve:
    """Runs one search until the last budget is spent.

    Args:
        table: what is found out, and how long that takes.
        name: of the search.
        seed: of it.
        space: a part of the table's; None for all of it.

    Returns:
        The share of the whole hypervolume at each of BUDGETS (121,).
    """
    space = space or table.space
    meta = replace(toy_meta(), seed=seed)
    storage = optuna.storages.InMemoryStorage()
    ledger = Ledger(Path(), "replay", space, meta, table.has, storage=storage)
    ledger.begin(table.baseline)
    built: set[str] = set()
    gate = Gate(ledger, space.runtimes(), speed=table.plans.speed)
    search = Search(ledger, space, lambda recipe: table.steps[recipe.key], built.__contains__, gate, seed)
    proposals = Proposals(ledger, space, [""], len(table.steps), plugins.load("samplers", name)(search), gate)
    baselines = itertools.chain.from_iterable(proposals.baselines() if name == OURS else ())
    under_way: list[tuple[float, int, Proposal, float]] = []
    begun: set[str] = set()
    number = itertools.count()
    now, spent, (total, best) = 0.0, 0.0, table.whole()
    found: list[Measured] = []
    curve = np.zeros(len(BUDGETS))
    while True:
        while len(under_way) < WORKERS:
            row = next(baselines, None) or proposals.sampled([row.recipe for _, _, row, _ in under_way])
            if row is None:
                break
            cost = sum(table.seconds[key] for key in table.trainings(row.recipe) if key not in begun)
            begun.update(table.trainings(row.recipe))
            heapq.heappush(under_way, (now + cost + A_FILE_S, next(number), row, cost))
        if not under_way or spent / total > BUDGETS[-1]:
            return curve
        now, _, row, cost = heapq.heappop(under_way)
        spent += cost
        built.update(table.trainings(row.recipe))
        outcomes = [table.outcomes[config.key] for config in row.configs]
        _tell(ledger, row, outcomes)
        found += outcomes
        curve[spent / total - 1e-9 <= BUDGETS] = table.hypervolume(found) / best


def _tell(ledger: Ledger, row: Proposal, outcomes: list[Measured]) -> None:
    assert row.trial is not None  # nothing is cut off here
    first, *others = outcomes
    ledger.tell(row.trial, first, [])
    for outcome in others:
        ledger.add(outcome, [])


def main() -> None:
    """Prints a table and draws the picture."""
    curves = {name: np.array([replay(Table(seed), name, seed) for seed in range(SEEDS)]) for name in SEARCHES}
    print("| search | of all training for 90 % | 95 % | 99 % of the hypervolume | hypervolume after 10 % | 30 % |")
    print("|---|---|---|---|---|---|")
    for name, found in curves.items():
        needed = [f"{_needed(found, share)}" for share in (0.9, 0.95, 0.99)]
        after = [f"{np.median(found[:, np.searchsorted(BUDGETS, budget)]):.3f}" for budget in (0.1, 0.3)]
        print(f"| {name} | {' | '.join([*needed, *after])} |")
    lead = np.median(curves[OURS], 0) - np.median(curves["tpe"], 0)
    print(f"\n{OURS} over tpe at any budget: {lead.min():+.3f} at least, {lead.max():+.3f} at most")
    _draw(curves)
    channels()


def channels() -> None:
    """Prints what the same search finds with and without channels, for the same time."""
    path = TABLES / "resnet8_channels.json.gz"
    if not path.exists():
        print("with channels skipped: no table yet; python -m benchmarks.table resnet8_channels records it")
        return
    tables = [Table(seed, path) for seed in range(CHANNELS_SEEDS)]
    budgets = (0.05, 0.1, 0.2, 0.4, 0.6)
    places = np.searchsorted(BUDGETS, budgets)
    print("| hypervolume after | " + " | ".join(f"{budget:.0%}" for budget in budgets) + " |")
    print("|---|" + "---|" * len(budgets))
    curves = {}
    for name, dimensions in (("with channels", {}), ("without", ALL_CHANNELS)):
        rows = []
        for seed, table in enumerate(tables):
            space = replace(table.space, dimensions=table.space.dimensions | dimensions)
            rows.append(replay(table, OURS, seed, space)[places] * table.whole()[1])
        curves[name] = np.array(rows)
        print(f"| {name} | " + " | ".join(map(_spread, curves[name].T)) + " |")
    gain = curves["with channels"] / curves["without"] - 1
    print("| gain | " + " | ".join(f"{np.mean(each):+.1%}" for each in gain.T) + " |")


def _spread(values: Curve) -> str:
    return f"{np.mean(values):.3f} ({values.min():.3f} to {values.max():.3f})"


def _needed(curves: Curve, share: float) -> str:
    """Median of the budgets at which curves reach a share, and the largest."""
    reached = [float(BUDGETS[np.argmax(curve >= share)]) if curve[-1] >= share else np.inf for curve in curves]
    most, median = max(reached), float(np.median(reached))
    told = [f"over {BUDGETS[-1]:.0%}" if value == np.inf else f"{value:.1%}" for value in (median, most)]
    return f"{told[0]} (at most {told[1]})"


def _draw(curves: dict[str, Curve]) -> None:
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for name, found in curves.items():
        [line] = axes.plot(BUDGETS, np.median(found, 0), label=name, linewidth=2.5 if name == OURS else 1.3)
        low, high = np.quantile(found, (0.1, 0.9), axis=0)
        axes.fill_between(BUDGETS, low, high, color=line.get_color(), alpha=0.12, linewidth=0)
    axes.axhline(0.99, color="grey", linewidth=0.8, linestyle=":")
    axes.set(xlabel="share of all training time that was spent", ylabel="share of the best hypervolume")
    axes.set(xlim=(0, BUDGETS[-1]), ylim=(0.75, 1.005))
    axes.set_title(f"ResNet8 on CIFAR-10: median of {SEEDS} seeds, 10 to 90 %")
    axes.legend(loc="lower right")
    figure.savefig(PICTURE, dpi=150)


if __name__ == "__main__":
    main()
