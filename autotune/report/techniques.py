"""Each plain technique beside the float model, as the tables of papers have it; and what delegates took."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from autotune.config import SCHEMES, Recipe, Runtime
from autotune.report.panels import TITLES
from autotune.results.front import MeasuredPoint, Point
from autotune.results.outcome import Measured
from autotune.targets.metric import LATENCY

_Kind = tuple[str, str, bool, bool, float]
"""Model, scheme ("" for any but none where something else is done, too), whether pruned, whether clustered, share of
the channels.
"""


def techniques(points: Iterable[Point], runtime: Runtime) -> list[tuple[str, Point]]:
    """The first trial of each technique, with its name: quantization schemes without more, then pruning, clustering,
    both, and each share of the channels, of these the first float file and the first quantized one. On one runtime,
    the baseline's, where it was measured there, else on the fastest.

    Args:
        points: of a study, in the order of its trials.
        runtime: of the baseline.
    """
    recipes: dict[Recipe, list[Point]] = defaultdict(list)
    for point in points:
        recipes[point.outcome.config.recipe].append(point)
    first: dict[_Kind, Recipe] = {}
    for recipe in recipes:
        combined = bool(recipe.prune or recipe.cluster) or recipe.channels < 1
        scheme = "" if combined and recipe.quantize != "none" else recipe.quantize
        kind = (recipe.model, scheme, recipe.prune > 0, recipe.cluster > 0, recipe.channels)
        if not recipe.extra and (recipe.channels == 1 or not (recipe.prune or recipe.cluster)):
            first.setdefault(kind, recipe)
    order = sorted(first, key=_place)
    return [(_title(first[kind]), _on(recipes[first[kind]], runtime)) for kind in order]


def _place(kind: _Kind) -> tuple[str, float, int, bool, int]:
    """A row's place in the table: by model, schemes alone, pruning before clustering, both, then fewer channels."""
    model, quantize, prune, cluster, channels = kind
    return model, -channels, prune + cluster, cluster, SCHEMES.index(quantize) if quantize else len(SCHEMES)


def _title(recipe: Recipe) -> str:
    parts = [f"pruned {recipe.prune:.0%}"] if recipe.prune else []
    parts += [f"clustered to {recipe.cluster}"] if recipe.cluster else []
    parts += [f"channels cut to {recipe.channels:.0%}"] if recipe.channels < 1 else []
    parts += [TITLES[recipe.quantize]] if recipe.quantize != "none" or not parts else []
    spared = f", {recipe.mixed:.0%} of the layers more precise" if recipe.mixed and recipe.matters("mixed") else ""
    return (f"{recipe.model}: " if recipe.model else "") + " + ".join(parts) + spared


def _on(points: Sequence[Point], runtime: Runtime) -> Point:
    timed = [point for point in points if isinstance(point, MeasuredPoint) and LATENCY.key in point.outcome.metrics]
    same = [point for point in timed if point.outcome.config.runtime == runtime]
    return same[0] if same else min(timed, key=lambda point: point.outcome.metrics[LATENCY.key], default=points[0])


@dataclass
class Delegation:
    """What a delegate took of the files that ran through it.

    Attributes:
        files: that were measured.
        whole: those of them of which it took every operator.
        left: kinds of operators that it left, with the number of files.
    """

    files: int = 0
    whole: int = 0
    left: Counter[str] = field(default_factory=Counter)


def delegation(outcomes: Iterable[Measured]) -> dict[str, Delegation]:
    """Counts by the delegates' names; those that can't tell are left out.

    Args:
        outcomes: of a study; of several that are a file under one delegate, one counts.
    """
    counts: dict[str, Delegation] = {}
    seen = set()
    for outcome in outcomes:
        delegate = outcome.config.runtime.delegate
        latency = outcome.latency
        if latency is None or latency.delegated is None or (outcome.artifact, delegate) in seen:
            continue
        seen.add((outcome.artifact, delegate))
        count = counts.setdefault(delegate, Delegation())
        count.files += 1
        count.whole += latency.delegated == latency.operators
        count.left.update(kind.partition(" x")[0] for kind in latency.fell_back)
    return counts
