"""What is built next: what was cut off, the plain ways in the order of the work they take, then the sampler's."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from autotune.config import FOUR_BITS, SCHEMES, Config, Recipe, Value
from autotune.ledger.asked import Asked
from autotune.ledger.ledger import Ledger
from autotune.search.feasibility import Gate
from autotune.search.search import Proposer
from autotune.space.space import Categorical, Space, coarse_grid, grid

TRIES = 8
"""How often a sampler may propose what misses a target for sure, before one is drawn that may meet them."""


@dataclass(frozen=True)
class Proposal:
    """A recipe on one or more runtimes.

    Attributes:
        trial: number of the first one's trial; None where nobody asked for it.
        configs: all of the same recipe, the one that was asked for first.
    """

    trial: int | None
    configs: tuple[Config, ...]

    @property
    def recipe(self) -> Recipe:
        return self.configs[0].recipe


class Proposals:
    """Asks the ledger for trials, each with what comes with it."""

    def __init__(
        self, ledger: Ledger, space: Space, models: Sequence[str], trials: int, proposer: Proposer, gate: Gate
    ) -> None:
        """
        Args:
            ledger: of the study.
            space: that the configurations are from.
            models: names of the candidates.
            trials: that may be asked for in all; what comes with them is not counted.
            proposer: the sampler's.
            gate: says what is not worth to be built.

        Attributes:
            left_out: recipes that were not built.
        """
        self._ledger = ledger
        self._space = space
        self._models = models
        self._trials = trials
        self._proposer = proposer
        self._gate = gate
        self._runtimes = space.runtimes()
        self._held: dict[int, Asked] = {}  # by the number of the twin's trial
        self.left_out = 0

    @property
    def left(self) -> int:
        """Trials that may still be asked for."""
        return self._trials - self._ledger.trials_asked

    @property
    def done(self) -> bool:
        """Whether nothing is to be done any more, whatever the sampler says."""
        return self.left <= 0 and not self._ledger.queued and not any(self._lacking())

    def unfinished(self) -> Iterator[Proposal]:
        """What an earlier run was cut off from."""
        resumed = set[Recipe]()  # these have every runtime that lacks
        while proposal := self._again():
            resumed.add(proposal.recipe)
            yield proposal
        yield from (proposal for proposal in self._lacking() if proposal.recipe not in resumed)

    def _lacking(self) -> Iterator[Proposal]:
        """Runtimes that files which were built were not tried on."""
        built = {p.outcome.config.recipe: p.outcome for p in self._ledger.record().points if p.outcome.artifact}
        for outcome in built.values():
            if others := self._untried(outcome.config.recipe):
                yield Proposal(None, others)

    def baselines(self) -> tuple[Iterator[Proposal], Iterator[Proposal]]:
        """The plain ways, before anything is sampled: what is recommended can then not be worse than they are.

        Returns:
            The quantization schemes that need no training, which make a first front; the one that does,
            pruning, clustering, and both, and each share of the channels.
        """
        return self._plain(self._schemes()), self._plain(self._combinations())

    def on_all_samples(self) -> list[Proposal]:
        """What is on the front and has learned from fewer samples than there may be, learning from most; on every
        runtime. Nobody asked for it.
        """
        most = int(self._space.highest("samples"))
        recipes = (point.outcome.config.recipe for point in self._ledger.begun().front().points)
        again = {replace(each, samples=most) for each in recipes if each.matters("samples") and each.samples < most}
        return [Proposal(None, configs) for recipe in sorted(again, key=str) if (configs := self._untried(recipe))]

    def sampled(self, under_way: Sequence[Recipe]) -> Proposal | None:
        """The sampler's next, None at the end of the study or the space, or where it waits for what is under way."""
        if proposal := self._again():
            return proposal
        for _ in range(TRIES):
            trial = self._released() or (self._proposer(under_way) if self.left > 0 else None)
            if trial is None:
                return None
            if proposal := self._admitted(trial):
                return proposal
        trial = self._ledger.draw(self._gate.passes)
        return None if trial is None else self._with_others(trial)

    def _released(self) -> Asked | None:
        """A trial that was held until a file of its structure is known, where that has ended."""
        twin = next((number for number in self._held if not self._ledger.is_open(number)), None)
        return None if twin is None else self._held.pop(twin)

    def _admitted(self, trial: Asked) -> Proposal | None:
        """The trial's proposal, that of its untrained twin first; None where it is known to miss a target."""
        if missed := self._gate.misses(trial.config.recipe):
            self._ledger.leave_out(trial.number, missed)
            self.left_out += 1
            return None
        config = self._gate.twin(trial.config.recipe) if self.left > 0 else None
        twin = None if config is None else self._ledger.ask_for(config)
        if twin is None:
            return self._with_others(trial)
        self._held[twin.number] = trial
        return self._with_others(twin)

    def _again(self) -> Proposal | None:
        trial = self._ledger.again()
        return None if trial is None else self._with_others(trial)

    def _plain(self, ways: Iterator[Sequence[Mapping[str, Value]]]) -> Iterator[Proposal]:
        """Proposals of plain ways that were not tried, on the first runtime and with the first training that fit; of
        alternatives the first that does.
        """
        for alternatives in ways:
            while proposal := self._again():
                yield proposal
            admitted = filter(self._ledger.admits, self._trained(alternatives))
            config = next((each for each in admitted if self._gate.passes(each.recipe)), None)
            if config is None or self.left <= 0 or self._ledger.tried(config.recipe):
                continue
            if trial := self._ledger.ask_for(config):
                yield self._with_others(trial)

    def _trained(self, alternatives: Sequence[Mapping[str, Value]]) -> Iterator[Config]:
        """Each on every runtime and with every training."""
        for values in alternatives:
            augments = (values.get("augment", "none"), "none")
            for runtime, lesson, augment in itertools.product(self._runtimes, self._space.lessons(), augments):
                yield Config.of({**values, **asdict(runtime), "fine_tune": lesson, "augment": augment})

    def _with_others(self, trial: Asked) -> Proposal:
        return Proposal(trial.number, (trial.config, *self._untried(trial.config.recipe)))

    def _untried(self, recipe: Recipe) -> tuple[Config, ...]:
        """A recipe on the runtimes that it was not tried on."""
        configs = (Config(recipe, runtime) for runtime in self._runtimes)
        return tuple(each for each in configs if self._ledger.admits(each) and not self._ledger.seen(each))

    def _schemes(self) -> Iterator[Sequence[Mapping[str, Value]]]:
        """Four bits, each weight rounded alone, are seldom any good, so of them there is what spares most layers."""
        plain = self._plainest() | {"prune": 0, "cluster": 0}
        spared = {} if plain.get("rounding") == "gptq" else dict.fromkeys(FOUR_BITS, self._space.highest("mixed"))
        for scheme, model in itertools.product(SCHEMES, self._models):
            if scheme != "qat":
                yield [{**plain, "quantize": scheme, "model": model, "mixed": spared.get(scheme, 0)}]

    def _combinations(self) -> Iterator[Sequence[Mapping[str, Value]]]:
        """The middle of what the space has of pruning and clustering, and each share of the channels, with int8 or what
        it has in its place; where that is no faster for fewer channels, with another scheme.
        """
        prune, cluster = self._middle("prune"), self._middle("cluster")
        plain, schemes = self._plainest(), self._space.schemes()
        after = next((name for name in ("int8", "dynamic") if name in schemes), schemes[0])
        steps = ((0, 0, "qat"), (prune, 0, after), (0, cluster, after), (prune, cluster, after))
        for model, (share, clusters, scheme) in itertools.product(self._models, steps):
            values = {"model": model, "prune": share, "cluster": clusters, "quantize": scheme, "mixed": 0}
            yield [plain | values]
        shares = sorted((share for share in self._space.shares() if share < 1), reverse=True)
        for model, share in itertools.product(self._models, shares):
            values = {"model": model, "channels": share, "prune": 0, "cluster": 0, "mixed": 0}
            yield [plain | values | {"quantize": scheme} for scheme in dict.fromkeys((after, *schemes))]

    def _plainest(self) -> dict[str, Value]:
        """The first value of each dimension, with as many channels as there may be."""
        return self._space.first() | {"channels": max(self._space.shares())}

    def _middle(self, name: str) -> Value:
        """The middle one of a dimension's values that do something, 0 where it has none."""
        dim = self._space.dimensions.get(name, Categorical((0,)))
        values = sorted(value for value in grid(dim) or coarse_grid(dim) if value)
        return values[len(values) // 2] if values else 0
