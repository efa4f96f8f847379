"""What is not built: latency, size and memory belong to structure, so a file may miss a target whatever it learns."""

from collections.abc import Sequence
from dataclasses import replace

from autotune.config import Config, Recipe, Runtime
from autotune.ledger.ledger import Ledger
from autotune.results.front import MeasuredPoint
from autotune.search.evidence import Evidence
from autotune.targets.metric import DOWNLOAD
from autotune.targets.target import Target


class Gate:
    """Judges recipes by files of their structure, before they are built.

    Attributes:
        evidence: what the study's files tell; shared with who asks the gate.
    """

    def __init__(self, ledger: Ledger, runtimes: Sequence[Runtime]) -> None:
        """
        Args:
            ledger: of the study.
            runtimes: to run files on.
        """
        record = ledger.record()
        self._ledger = ledger
        self._runtimes = runtimes
        self.evidence = Evidence()
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
        points = [alike[runtime] for runtime in wanted if runtime in alike]
        misses = [self._missed(point, record.baseline.metrics) for point in points if isinstance(point, MeasuredPoint)]
        if len(points) < len(wanted) or not misses or not all(misses):
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
        share = recipe.prune if recipe.prune_pattern == "xnnpack" else 0.0
        twin = replace(recipe, prune=share, cluster=0, fine_tune="none" if share else recipe.fine_tune)
        if twin.trains or self._ledger.tried(twin):
            return None
        return next(filter(self._ledger.admits, (Config(twin, runtime) for runtime in self._runtimes)), None)

    def _missed(self, point: MeasuredPoint, baseline: dict[str, float]) -> dict[str, float]:
        """The targets that a file misses for sure."""
        latency = point.outcome.latency

        def is_sure(target: Target) -> bool:
            if target.text not in point.held or (target.metric.kind == "time" and not (latency and latency.stable)):
                return False
            return target.violation(target.better(*point.held[target.text]), baseline) > 0

        return {target.text: point.violations[target.text] for target in self._targets if is_sure(target)}
