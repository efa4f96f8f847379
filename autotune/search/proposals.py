"""Which rows come next: what was cut off, the baselines in the order of the work they take, then the sampler's."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from autotune.config import SCHEMES, Config, Recipe
from autotune.ledger.ledger import Ledger
from autotune.search.feasibility import Gate
from autotune.search.search import Choose
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
    """Asks the ledger for rows to work off."""

    def __init__(
        self, ledger: Ledger, space: Space, models: Sequence[str], trials: int, choose: Choose, gate: Gate
    ) -> None:
        """
        Args:
            ledger: of the study.
            space: that the configurations are from.
            models: names of the candidates.
            trials: that may be asked for in all; what comes with them is not counted.
            choose: the sampler.
            gate: says what is not worth to be built.

        Attributes:
            left_out: recipes that were not built.
        """
        self._ledger = ledger
        self._space = space
        self._models = models
        self._trials = trials
        self._choose = choose
        self._gate = gate
        self._runtimes = space.runtimes()
        self._held: list[tuple[int, tuple[int, Config]]] = []
        self.left_out = 0

    @property
    def left(self) -> int:
        """Trials that may still be asked for."""
        return self._trials - self._ledger.asked

    @property
    def done(self) -> bool:
        """Whether nothing is to be done any more, whatever the sampler says."""
        return self.left <= 0 and not self._ledger.queued and not any(self._lacking())

    def unfinished(self) -> Iterator[Proposal]:
        """What an earlier run was cut off from."""
        begun = set[Recipe]()  # these rows have every runtime that lacks
        while row := self._again():
            begun.add(row.recipe)
            yield row
        yield from (row for row in self._lacking() if row.recipe not in begun)

    def _lacking(self) -> Iterator[Proposal]:
        """Runtimes that files which were built were not tried on."""
        built = {p.outcome.config.recipe: p.outcome for p in self._ledger.record().points if p.outcome.artifact}
        for outcome in built.values():
            if others := self._others(outcome.config):
                yield Proposal(None, others)

    def baselines(self) -> tuple[Iterator[Proposal], Iterator[Proposal]]:
        """The plain ways, before anything is sampled: what is recommended can then not be worse than they are.

        Returns:
            The quantization schemes that need no training, which make a first front; the one that does,
            pruning, clustering, and both.
        """
        return self._rows(self._schemes()), self._rows(self._combinations())

    def sampled(self, under_way: Sequence[Recipe]) -> Proposal | None:
        """The sampler's next, None at the end of the study or the space, or where it waits for what is under way."""
        if row := self._again():
            return row
        for _ in range(TRIES):
            asked = self._released() or (self._choose(under_way) if self.left > 0 else None)
            if asked is None:
                return None
            if row := self._admitted(*asked):
                return row
        asked = self._ledger.draw(self._gate.passes)
        return None if asked is None else self._row(*asked)

    def _released(self) -> tuple[int, Config] | None:
        """A trial that was held until a file of its structure is known, where that has ended."""
        found = next((held for held in self._held if not self._ledger.is_open(held[0])), None)
        if found is None:
            return None
        self._held.remove(found)
        return found[1]

    def _admitted(self, trial: int, config: Config) -> Proposal | None:
        """The trial's row, that of its untrained twin first; None where it is known to miss a target."""
        if missed := self._gate.misses(config.recipe):
            self._ledger.leave_out(trial, missed)
            self.left_out += 1
            return None
        twin = self._gate.twin(config.recipe) if self.left > 0 else None
        asked = None if twin is None else self._ledger.ask_for(twin)
        if asked is None:
            return self._row(trial, config)
        self._held.append((asked[0], (trial, config)))
        return self._row(*asked)

    def _again(self) -> Proposal | None:
        asked = self._ledger.again()
        return None if asked is None else self._row(*asked)

    def _rows(self, wanted: Iterator[Mapping[str, Any]]) -> Iterator[Proposal]:
        for values in wanted:
            while row := self._again():
                yield row
            settings = itertools.product(self._runtimes, self._space.lessons(), (values.get("augment", "none"), "none"))
            configs = (
                Config.of({**values, **asdict(runtime), "fine_tune": lesson, "augment": augment})
                for runtime, lesson, augment in settings
            )
            config = next(filter(self._ledger.admits, configs), None)
            if config is None or self.left <= 0 or self._ledger.tried(config.recipe):
                continue
            if not self._gate.passes(config.recipe):
                continue
            if asked := self._ledger.ask_for(config):
                yield self._row(*asked)

    def _row(self, trial: int, config: Config) -> Proposal:
        return Proposal(trial, (config, *self._others(config)))

    def _others(self, config: Config) -> tuple[Config, ...]:
        """The same recipe on the runtimes that were not tried."""
        configs = (Config(config.recipe, runtime) for runtime in self._runtimes)
        return tuple(other for other in configs if self._ledger.admits(other) and not self._ledger.seen(other))

    def _schemes(self) -> Iterator[Mapping[str, Any]]:
        """Plain int4 is seldom any good, so of it there is the one that spares most layers."""
        plain = self._space.first() | {"prune": 0, "cluster": 0}
        spared = {"int4": self._space.highest("mixed")}
        for scheme, model in itertools.product(SCHEMES, self._models):
            if scheme != "qat":
                yield {**plain, "quantize": scheme, "model": model, "mixed": spared.get(scheme, 0)}

    def _combinations(self) -> Iterator[Mapping[str, Any]]:
        """The middle of what the space has of pruning and clustering, with int8 or what it has in its place."""
        prune, cluster = self._middle("prune"), self._middle("cluster")
        schemes = self._space.dimensions.get("quantize", Categorical(("none",)))
        assert isinstance(schemes, Categorical)  # names
        after = next((name for name in ("int8", "dynamic") if name in schemes.values), schemes.values[0])
        steps = ((0, 0, "qat"), (prune, 0, after), (0, cluster, after), (prune, cluster, after))
        for model, (share, clusters, scheme) in itertools.product(self._models, steps):
            values = {"model": model, "prune": share, "cluster": clusters, "quantize": scheme, "mixed": 0}
            yield self._space.first() | values

    def _middle(self, name: str) -> Any:
        """The middle one of a dimension's values that do something, 0 where it has none."""
        dim = self._space.dimensions.get(name, Categorical((0,)))
        values = sorted(value for value in grid(dim) or coarse_grid(dim) if value)
        return values[len(values) // 2] if values else 0
