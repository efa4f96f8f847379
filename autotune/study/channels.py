"""Which channels are cut: planned by what untrained files with fewer of them take on this device."""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from autotune.compress.channels.examine import examine
from autotune.compress.channels.plan import Examined, Latencies, candidate_widths, most_important, plan
from autotune.compress.channels.untrained import untrained
from autotune.config import Recipe, fingerprint
from autotune.errors import Infeasible
from autotune.files import Scratch
from autotune.measure.rounds import Job, JobResult
from autotune.model.artifact import Artifact
from autotune.results.channel_plan import STANDS_FOR, ChannelPlan, kernels, plan_name
from autotune.results.measurement import Measurement
from autotune.space.space import Space
from autotune.study.builder import Builder, Inputs
from autotune.study.instrument import Instrument
from autotune.tflite.structure import structure

VERSION = 2
"""Of what is kept of models' channels: raised where it would come out otherwise."""

PARTS = 4
"""Each group is measured at multiples of this part of its width (1/4)."""

NOISE = 0.01
"""Share of a latency that another measurement of the same file may differ by, at least."""

_Keep = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class ChannelPlanner:
    """Makes a study's plans, before anything is trained.

    Attributes:
        builder: of the study.
        instrument: of the study.
        building: holds the device while files are built.
        space: of the study.
        timed: whether the study weighs latency; else channels are cut for the multiply-accumulates alone.
        status: told what is being done.
        note: told what takes long, and what can't be.
    """

    builder: Builder
    instrument: Instrument
    building: Callable[[], AbstractContextManager[None]]
    space: Space
    timed: bool
    status: Callable[[str], None]
    note: Callable[[str], None]

    def plans(self) -> dict[str, ChannelPlan]:
        """A plan for each share of the space, by plan_name().

        Raises:
            Fault: the workers or the device were lost.
        """
        shares = [share for share in self.space.shares() if share < 1]
        made: dict[str, ChannelPlan] = {}
        for model, dead in itertools.product(self.builder.candidates, self.space.dead_channels()):
            recipes = [
                Recipe(model=model, dead_channels=dead, channels=share, quantize=STANDS_FOR[kind])
                for share, kind in itertools.product(shares, dict.fromkeys(map(kernels, self.space.schemes())))
            ]
            if not recipes:
                continue
            try:
                made |= self._planned(recipes)
            except Infeasible as error:
                self.note(f"{self.builder.candidates[model].task.model}: no channels are cut: {error}")
                made |= {plan_name(recipe): ChannelPlan(refused=str(error)) for recipe in recipes}
        return made

    def _planned(self, recipes: Sequence[Recipe]) -> dict[str, ChannelPlan]:
        """The plans of recipes of one model.

        Raises:
            Infeasible: there is nothing to cut.
        """
        with self.building():
            inputs = self.builder.inputs(recipes[0])
            examined = self._examined(inputs)
        if not examined["groups"]:
            reasons = "; ".join(dict.fromkeys(examined["left"].values()))
            raise Infeasible(f"no group of them can be cut: {reasons}")
        schemes = list(dict.fromkeys(recipe.quantize for recipe in recipes))
        latencies = self._latencies(examined, inputs, schemes) if self.timed else {}
        made = {}
        for recipe in recipes:
            if self.timed and recipe.quantize not in latencies:
                made[recipe] = ChannelPlan(refused="the device does not run untrained files with fewer channels")
                continue
            try:
                widths = plan(examined, recipe.channels, latencies.get(recipe.quantize))
            except Infeasible as error:
                made[recipe] = ChannelPlan(refused=str(error))
            else:
                full = {group["name"]: len(group["importance"]) for group in examined["groups"]}
                keep = {name: tuple(channels) for name, channels in most_important(examined, widths).items()}
                made[recipe] = ChannelPlan(keep, {name: full[name] for name in keep})
        if self.timed:
            made |= self._timed(made, inputs)
            for kind in schemes:
                self.note(_in_words(kind, {r.channels: planned for r, planned in made.items() if r.quantize == kind}))
        return {plan_name(recipe): planned for recipe, planned in made.items()}

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

    def _latencies(self, examined: Examined, inputs: Inputs, schemes: Sequence[str]) -> dict[str, Latencies]:
        """By scheme what files take with one group of channels cut; without schemes that the device does not run."""
        cuts: list[tuple[str, int]] = [
            (group["name"], width)
            for group in examined["groups"]
            for width in candidate_widths(len(group["importance"]), PARTS)
        ]
        keeps: list[_Keep] = [{}, *({name: range(width)} for name, width in cuts)]
        runtime = self.space.runtimes()[0]
        self.note(f"what fewer channels save on this device is measured first, on {len(keeps)} files without training")
        latencies = {}
        with Scratch() as folder:
            files = self._files(inputs, keeps, schemes, Path(folder))
            for scheme in schemes:
                full, *others = self.instrument.measure_files(
                    [Job(file, runtime) for file in files[scheme]], roughly=True
                )
                if not isinstance(full, Measurement):
                    continue
                times = dict(zip(cuts, others, strict=True))
                latencies[scheme] = _table(full, times)
        return latencies

    def _timed(self, made: Mapping[Recipe, ChannelPlan], inputs: Inputs) -> dict[Recipe, ChannelPlan]:
        """The plans that can be, with what their untrained files take on each runtime of the space; refused where that
        is no less than with more channels.
        """
        timed: dict[Recipe, ChannelPlan] = {}
        runtimes = self.space.runtimes()
        by_scheme: dict[str, list[Recipe]] = {}
        for recipe, planned in made.items():
            if planned.keep:
                by_scheme.setdefault(recipe.quantize, []).append(recipe)
        with Scratch() as folder:
            for scheme, recipes in by_scheme.items():
                keeps: list[_Keep] = [{}, *(made[recipe].keep for recipe in recipes)]
                files = self._files(inputs, keeps, [scheme], Path(folder))[scheme]
                results = self.instrument.measure_files([Job(*pair) for pair in itertools.product(files, runtimes)])
                full, *others = results[:: len(runtimes)]
                structures = [{scheme: structure(file.read_bytes())} for file in files[1:]]
                timed |= dict(zip(recipes, _faster(full, others, [made[r] for r in recipes], structures), strict=True))
        return timed

    def _files(
        self, inputs: Inputs, keeps: Sequence[_Keep], schemes: Sequence[str], folder: Path
    ) -> dict[str, list[Path]]:
        """Untrained files by scheme, one for each set of channels that stay.

        Raises:
            Infeasible: the model can't be converted or quantized so.
        """
        files: dict[str, list[Path]] = {scheme: [] for scheme in schemes}
        with self.building():
            for number, artifacts in enumerate(self._built(inputs, keeps, schemes), 1):
                self.status(f"what fewer channels save on this device: file {number} of {len(keeps)}")
                for scheme, artifact in zip(schemes, artifacts, strict=True):
                    file = folder / f"{scheme}-{len(files[scheme])}.tflite"
                    file.write_bytes(artifact.data)
                    files[scheme].append(file)
        return files

    def _built(self, inputs: Inputs, keeps: Sequence[_Keep], schemes: Sequence[str]) -> Iterator[list[Artifact]]:
        """For each set of channels that stay its untrained files, one for each scheme."""
        builder = self.builder
        cuts = [{name: list(channels) for name, channels in keep.items()} for keep in keeps]
        keys = [[fingerprint("untrained", VERSION, inputs.key, cut, scheme) for scheme in schemes] for cut in cuts]
        cached = [[builder.cache.get(key) for key in row] for row in keys]
        building = {
            number: builder.pool.submit(untrained, inputs.base, cuts[number], tuple(schemes), inputs.data)
            for number, row in enumerate(cached)
            if None in row
        }
        for number, row in enumerate(cached):
            artifacts = building[number].result() if number in building else [each for each in row if each]
            if number in building:
                for key, artifact in zip(keys[number], artifacts, strict=True):
                    builder.cache.put(key, artifact)
            yield artifacts


def _faster(
    full: JobResult, results: Sequence[JobResult], plans: Sequence[ChannelPlan], structures: Sequence[Mapping[str, str]]
) -> list[ChannelPlan]:
    """Plans of one scheme, the largest share first, with what their files take; refused where fewer channels save
    nothing, though each cut may save what is less than noise.

    Args:
        full: with all channels.
        results: of each plan's file.
        plans: without their times.
        structures: of each plan's file, by its scheme.
    """
    timed = []
    fastest = full
    for planned, result, each in zip(plans, results, structures, strict=True):
        if not isinstance(full, Measurement) or not isinstance(result, Measurement):
            timed.append(replace(planned, structures=each))  # found again, and told, where a recipe is built
        elif isinstance(fastest, Measurement) and result.p50_ms > fastest.p50_ms * (1 - _noise(fastest, result)):
            timed.append(ChannelPlan(refused="so few channels save no time on this device"))
        else:
            timed.append(replace(planned, structures=each, speed=result.p50_ms / full.p50_ms))
            fastest = result
    return timed


def _noise(*results: Measurement) -> float:
    """Share of a latency that measurements may differ by."""
    return max(NOISE, *(result.reach for result in results))


def _in_words(scheme: str, plans: Mapping[float, ChannelPlan]) -> str:
    """What the plans for a scheme's files, by their share of the multiply-accumulates, save."""
    timed = {share: planned.speed for share, planned in plans.items() if planned.speed is not None}
    files = "float files" if scheme == "none" else f"{scheme} files"
    parts = []
    if timed:
        shares, times = (", ".join(f"{each:.0%}" for each in column) for column in (timed, timed.values()))
        parts.append(f"{files} with {shares} of the multiply-accumulates take {times} of the time")
    for share, planned in plans.items():
        if planned.refused is not None:
            parts.append(f"{files} with {share:.0%} are not tried: {planned.refused}")
    return "; ".join(parts)


def _table(full: Measurement, times: Mapping[tuple[str, int], JobResult]) -> Latencies:
    """What was measured, as plan() takes it; without files that the device did not run."""
    measured = {cut: result for cut, result in times.items() if isinstance(result, Measurement)}
    noise = max(NOISE, median([full.reach, *(each.reach for each in measured.values())]))
    cut_ms: dict[str, dict[int, float]] = {}
    for (name, width), each in measured.items():
        cut_ms.setdefault(name, {})[width] = each.p50_ms
    return Latencies(full.p50_ms, full.p50_ms * noise, cut_ms)
