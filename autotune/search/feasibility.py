"""What is not built: latency, size and memory belong to structure, so a file may miss a target whatever it learns."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from autotune.config import Config, Recipe, Runtime
from autotune.ledger.ledger import Ledger
from autotune.results.front import MeasuredPoint
from autotune.results.measurement import Measurement
from autotune.search.evidence import Evidence
from autotune.targets.metric import DOWNLOAD, LATENCY
from autotune.targets.target import Target


class Gate:
    """Judges recipes by files of their structure, before they are built.

    Attributes:
        evidence: what the study's files tell; shared with who asks the gate.
    """

    def __init__(
        self,
        ledger: Ledger,
        runtimes: Sequence[Runtime],
        planned: Callable[[Recipe, Runtime], Measurement | None] = lambda *_: None,
        speed: Callable[[Recipe], float] = lambda _: 1.0,
    ) -> None:
        """
        Args:
            ledger: of the study.
            runtimes: to run files on.
            planned: what an untrained file of a recipe's structure takes, None where that is not known.
            speed: as Evidence takes it.
        """
        record = ledger.record()
        self._ledger = ledger
        self._runtimes = runtimes
        self._planned = planned
        self.evidence = Evidence(speed)
        self._targets = [target for target in record.targets if target.metric not in (record.quality, DOWNLOAD)]

    def misses(self, recipe: Recipe) -> dict[str, float]:
        """How far a file of the recipe misses the targets for sure, by their texts, on the runtime where that is least.

        Returns:
            Nothing where it may meet them, or where that is not known: its structure was not measured on every
            runtime, depends on its weights, or was measured while the device was not quiet.
        """
        if not self._targets or recipe.canonical().get("mixed"):  # which layers are spared depends on the weights
            return {}
        record = self._ledger.begun()
        self.evidence.see(record)
        alike = self.evidence.alike(recipe)
        wanted = [runtime for runtime in self._runtimes if self._ledger.admits(Config(recipe, runtime))]
        baseline = record.baseline.metrics
        known = [alike.get(runtime) or self._planned(recipe, runtime) for runtime in wanted]
        misses = [self._missed(each, baseline) for each in known if isinstance(each, MeasuredPoint | Measurement)]
        if None in known or not misses or not all(misses):
            return {}
        return min(misses, key=lambda missed: sum(missed.values()))

    def passes(self, recipe: Recipe) -> bool:
        """Whether a file of the recipe may meet the targets."""
        return not self.misses(recipe)

    def twin(self, recipe: Recipe) -> Config | None:
        """A file of the structure that takes no training, to be measured before one is trained.

        Returns:
            None where nothing is to be gained by it: what it would tell is known or bounded by no target, or the
            space has no such file.
        """
        if not self._targets or not recipe.trains or self.evidence.alike(recipe):
            return None
        if all(self._planned(recipe, runtime) for runtime in self._runtimes):
            return None
        share = recipe.prune if recipe.prune_pattern == "xnnpack" else 0.0
        bare = recipe.channels == 1 and not share
        twin = replace(recipe, prune=share, cluster=0, fine_tune=recipe.fine_tune if bare else "none")
        if twin.trains or self._ledger.tried(twin):
            return None
        return next(filter(self._ledger.admits, (Config(twin, runtime) for runtime in self._runtimes)), None)

    def _missed(self, known: MeasuredPoint | Measurement, baseline: dict[str, float]) -> dict[str, float]:
        """The targets that a file misses for sure."""
        return self._too_slow(known, baseline) if isinstance(known, Measurement) else self._by_point(known, baseline)

    def _too_slow(self, latency: Measurement, baseline: dict[str, float]) -> dict[str, float]:
        """Likewise, by what an untrained file takes."""
        metrics = latency.metrics() if latency.stable else {}
        missed = {}
        for target in self._targets:
            if target.metric.kind == "time" and (value := metrics.get(target.metric.key)) is not None:
                least = min(latency.low_ms, value) if target.metric == LATENCY else value
                if target.violation(least, baseline) > 0:
                    missed[target.text] = target.violation(value, baseline)
        return missed

    def _by_point(self, point: MeasuredPoint, baseline: dict[str, float]) -> dict[str, float]:
        latency = point.outcome.latency

        def is_sure(target: Target) -> bool:
            if target.text not in point.held or (target.metric.kind == "time" and not (latency and latency.stable)):
                return False
            return target.violation(target.better(*point.held[target.text]), baseline) > 0

        return {target.text: point.violations[target.text] for target in self._targets if is_sure(target)}
