"""Which channels are cut: planned by what untrained files with fewer of them take on this device."""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from statistics import median

from autotune.compress.channels.examine import examine
from autotune.compress.channels.plan import (
    Examined,
    Latencies,
    candidate_widths,
    full_widths,
    loss,
    most_important,
    plan,
)
from autotune.config import Recipe, Runtime, fingerprint
from autotune.errors import Broken, Fault, Infeasible
from autotune.measure.rounds import JobResult
from autotune.model.artifact import Artifact
from autotune.results.channel_plan import STANDS_FOR, ChannelPlan, kernels, plan_name
from autotune.results.measurement import Measurement
from autotune.space.space import Space
from autotune.study.builder import Builder, Inputs
from autotune.study.untrained_files import Keep, Timed, UntrainedFiles

VERSION = 3
"""Of what is kept of models' channels: raised where it would come out otherwise."""

PARTS = 4
"""Each group is measured at multiples of this part of its width (1/4)."""

NOISE = 0.01
"""Share of a latency that another measurement of the same file may differ by, at least."""


@dataclass(frozen=True)
class ChannelPlanner:
    """Makes a study's plans, before anything is trained.

    Attributes:
        builder: of the study.
        files: builds and times those that tell what a cut saves.
        building: holds the device while anything is built.
        space: of the study.
        timed: whether the study weighs latency; else channels are cut for the multiply-accumulates alone.
        status: told what is being done.
        note: told what takes long, and what can't be.
    """

    builder: Builder
    files: UntrainedFiles
    building: Callable[[], AbstractContextManager[None]]
    space: Space
    timed: bool
    status: Callable[[str], None]
    note: Callable[[str], None]

    def plans(self) -> dict[str, ChannelPlan]:
        """A plan for each share of the space, by plan_name(), and each model that can be trained.

        Raises:
            Fault: the workers or the device were lost as often as they may be.
            RuntimeError: a worker failed; with its traceback.
            TimeIsUpError: the deadline has come.
        """
        made: dict[str, ChannelPlan] = {}
        for recipes in self._recipes():
            try:
                made |= self._planned_again(recipes)
            except Infeasible as error:
                self.note(f"{self._whose(recipes[0])}no channels are cut: {error}")
                made |= _refused(recipes, error)
        return made

    def none(self, why: Exception) -> dict[str, ChannelPlan]:
        """Plans that cut nothing, for a run that could not make them."""
        return {name: planned for recipes in self._recipes() for name, planned in _refused(recipes, why).items()}

    def _recipes(self) -> list[list[Recipe]]:
        """For each model that can be cut, the recipes that want a plan of their own."""
        shares = sorted((share for share in self.space.shares() if share < 1), reverse=True)
        kinds = list(dict.fromkeys(map(kernels, self.space.schemes())))
        models = [name for name, each in self.builder.candidates.items() if each.limits.untrainable is None]
        recipes = [
            [
                Recipe(model=model, dead_channels=dead, channels=share, quantize=STANDS_FOR[kind])
                for share, kind in itertools.product(shares, kinds)
            ]
            for model, dead in itertools.product(models, self.space.dead_channels())
        ]
        return [each for each in recipes if each]

    def _whose(self, recipe: Recipe) -> str:
        """Whose plans these are, before a line that tells of them; "" where there are no others."""
        several = len(self.builder.candidates) > 1
        names = [self.builder.candidates[recipe.model].task.model] if several else []
        names += [f"dead channels {recipe.dead_channels}"] if len(self.space.dead_channels()) > 1 else []
        return ", ".join(names) + ": " if names else ""

    def _planned_again(self, recipes: Sequence[Recipe]) -> dict[str, ChannelPlan]:
        """As _planned(), once more where a worker or the device was lost."""
        try:
            return self._planned(recipes)
        except Broken:
            raise
        except Fault as error:
            self.note(f"{self._whose(recipes[0])}planning which channels are cut: {error}; tried again")
            return self._planned(recipes)

    def _planned(self, recipes: Sequence[Recipe]) -> dict[str, ChannelPlan]:
        """The plans of recipes of one model.

        Raises:
            Infeasible: there is nothing to cut.
            Fault, RuntimeError, TimeIsUpError: as plans().
        """
        with self.building():
            inputs = self.builder.inputs(recipes[0])
            examined = self._examined(inputs)
        if not examined["groups"]:
            raise Infeasible("; ".join(dict.fromkeys(examined["left"].values())) or "no layer's channels can be")
        schemes = list(dict.fromkeys(recipe.quantize for recipe in recipes))
        latencies = self._latencies(examined, inputs, schemes, self._whose(recipes[0])) if self.timed else {}
        made: dict[Recipe, ChannelPlan] = {}
        for scheme in schemes:
            alike = [recipe for recipe in recipes if recipe.quantize == scheme]
            plans = _by_share(examined, [recipe.channels for recipe in alike], latencies.get(scheme))
            made |= dict(zip(alike, plans, strict=True))
        if self.timed:
            made |= self._timed(made, inputs)
            for scheme in schemes:
                shares = {recipe.channels: planned for recipe, planned in made.items() if recipe.quantize == scheme}
                self.note(self._whose(recipes[0]) + _in_words(scheme, shares))
        return {plan_name(recipe): made[recipe] for recipe in recipes}

    def _examined(self, inputs: Inputs) -> Examined:
        builder, key = self.builder, fingerprint("channels", VERSION, inputs.key)
        artifact = builder.cache.get(key)
        if artifact is None:
            self.status("looking which channels matter")
            examined = builder.pool.submit(examine, inputs.base, inputs.data).result()
            artifact = Artifact(json.dumps(examined).encode(), {})
            builder.cache.put(key, artifact)
        read: Examined = json.loads(artifact.data)
        return read

    def _latencies(
        self, examined: Examined, inputs: Inputs, schemes: Sequence[str], whose: str
    ) -> dict[str, Latencies | Infeasible]:
        """By scheme what files take with one group of channels cut, on the first delegate that runs such files; or why
        that can't be told.
        """
        cuts = [
            (group["name"], width)
            for group in examined["groups"]
            for width in candidate_widths(len(group["importance"]), PARTS)
        ]
        keeps: list[Keep] = [{}, *({name: range(width)} for name, width in cuts)]
        number = len(keeps) * len(schemes)
        self.note(f"{whose}what fewer channels save on this device is measured first, on {number} untrained files")
        tables: dict[str, Latencies | Infeasible] = {}
        for delegate in self.space.delegates():
            runtime = Runtime(delegate, self.space.runtimes()[0].threads)
            lacking = [scheme for scheme in schemes if not isinstance(tables.get(scheme), Latencies)]
            if lacking:
                times = self.files.timed(inputs, keeps, lacking, [runtime], rough=True)
                tables |= {
                    scheme: files
                    if isinstance(files, Infeasible)
                    else _table(cuts, [each.results[0] for each in files])
                    for scheme, files in times.items()
                }
        return tables

    def _timed(self, made: Mapping[Recipe, ChannelPlan], inputs: Inputs) -> dict[Recipe, ChannelPlan]:
        """The plans that can be, with what their untrained files take on each runtime of the space."""
        timed: dict[Recipe, ChannelPlan] = {}
        runtimes = self.space.runtimes()
        for scheme in dict.fromkeys(recipe.quantize for recipe in made):
            plans = {recipe: each for recipe, each in made.items() if recipe.quantize == scheme and each.keep}
            keeps: list[Keep] = [{}, *(planned.keep for planned in plans.values())]
            files = self.files.timed(inputs, keeps, [scheme], runtimes, rough=False)[scheme] if plans else []
            if isinstance(files, Infeasible):
                raise files
            timed |= dict(zip(plans, _faster(list(plans.values()), files), strict=True))
        return timed


def _by_share(
    examined: Examined, shares: Sequence[float], latencies: Latencies | Infeasible | None
) -> list[ChannelPlan]:
    """A plan for each share, the largest first; refused where one that keeps less is taken to lose less."""
    full = full_widths(examined)
    plans: list[ChannelPlan] = []
    least = float("inf")
    for share in reversed(shares):
        try:
            if isinstance(latencies, Infeasible):
                raise latencies
            widths = plan(examined, share, latencies)
        except Infeasible as error:
            plans.append(ChannelPlan(refused=str(error)))
            continue
        harm = loss(examined, widths)
        if harm > least:
            plans.append(ChannelPlan(refused="of the cuts that save time here those to a smaller share lose less"))
            continue
        least = harm
        keep = {name: tuple(channels) for name, channels in most_important(examined, widths).items()}
        plans.append(ChannelPlan(keep, {name: full[name] for name in keep}, left=examined["left"]))
    return plans[::-1]


def _refused(recipes: Sequence[Recipe], why: Exception) -> dict[str, ChannelPlan]:
    return {plan_name(recipe): ChannelPlan(refused=str(why)) for recipe in recipes}


def _faster(plans: Sequence[ChannelPlan], files: Sequence[Timed]) -> list[ChannelPlan]:
    """Plans of one scheme with what their files take; refused where fewer channels save nothing.

    Args:
        plans: the largest share first, without their times.
        files: the one with all channels, then that of each plan.
    """
    timed = []
    if not files:
        return []
    runs = [isinstance(result, Measurement) for result in files[0].results]
    firsts = [file.results[runs.index(True) if any(runs) else 0] for file in files]
    fastest = firsts[0]
    for planned, file, first in zip(plans, files[1:], firsts[1:], strict=True):
        if isinstance(first, Infeasible):
            timed.append(ChannelPlan(refused=str(first)))
        elif not isinstance(first, Measurement) or not isinstance(fastest, Measurement):
            timed.append(planned)
        elif _fastest_ms(first) > _fastest_ms(fastest) * (1 - _noise(fastest, first)):
            timed.append(ChannelPlan(refused="so few channels save no time on this device"))
        else:
            full = firsts[0]
            speed = _fastest_ms(first) / _fastest_ms(full) if isinstance(full, Measurement) else None
            timed.append(replace(planned, structure=file.structure, speed=speed))
            fastest = first
    return timed


def _in_words(scheme: str, plans: Mapping[float, ChannelPlan]) -> str:
    """What the plans for a scheme's files, by their share of the multiply-accumulates, save."""
    timed = {share: planned.speed for share, planned in plans.items() if planned.speed is not None}
    files = "float files" if scheme == "none" else f"{scheme} files"
    parts = []
    if timed:
        shares, times = (", ".join(f"{each:.0%}" for each in column) for column in (timed, timed.values()))
        parts.append(f"{files} with {shares} of the multiply-accumulates take {times} of the time")
    for reason in dict.fromkeys(planned.refused for planned in plans.values() if planned.refused is not None):
        shares = ", ".join(f"{share:.0%}" for share, planned in plans.items() if planned.refused == reason)
        parts.append(f"{files} with {shares} are not tried: {reason}")
    return "; ".join(parts)


def _table(cuts: Sequence[tuple[str, int]], results: Sequence[JobResult]) -> Latencies | Infeasible:
    """What was measured, as plan() takes it, without files that the device did not run.

    Args:
        cuts: group and width of all files but the first, which has all channels.
        results: of the files.
    """
    full, *others = results
    if not isinstance(full, Measurement):
        return Infeasible(f"the device does not run the untrained file: {full}")
    measured = {cut: result for cut, result in zip(cuts, others, strict=True) if isinstance(result, Measurement)}
    full_ms = _fastest_ms(full)
    cut_ms: dict[str, dict[int, float]] = {}
    for (name, width), each in measured.items():
        cut_ms.setdefault(name, {})[width] = _fastest_ms(each)
    return Latencies(full_ms, full_ms * _noise(full, *measured.values()), cut_ms)


def _fastest_ms(measurement: Measurement) -> float:
    """Of its rounds: what disturbs one makes it slower, never faster."""
    return min(measurement.rounds_ms)


def _noise(*measurements: Measurement) -> float:
    """Share of a latency that the fastest round may be off by: how far the two fastest lie apart, in the median."""
    pairs = [sorted(each.rounds_ms)[:2] for each in measurements]
    return max(NOISE, median(max(pair) / min(pair) - 1 for pair in pairs))
