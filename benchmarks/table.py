"""Records an exhaustive grid of ResNet8 on CIFAR-10: what every recipe gives, and what each training took.

`python -m benchmarks.table resnet8` builds, evaluates and measures every recipe through autotune's own stages and
writes benchmarks/tables/resnet8.json.gz; `resnet8_channels` is another grid. Each takes about half an hour on two
quiet cores.
"""

import gzip
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from autotune.compress import pipeline
from autotune.compress.worker import start
from autotune.config import RUNNING, SCHEMES, Config, Recipe, Runtime, snap
from autotune.devices.client.local import LocalDevice
from autotune.devices.device import MeasureOptions, Session
from autotune.errors import Infeasible
from autotune.ledger.artifacts import model_path
from autotune.measure.rounds import Job, measure
from autotune.model.load import import_model
from autotune.results.measurement import Measurement
from autotune.results.outcome import Outcome
from autotune.space.space import Categorical, Space
from autotune.study.builder import Builder
from autotune.study.channel_plans import ChannelPlans
from autotune.study.channels import ChannelPlanner
from autotune.study.evaluate import Evaluator
from autotune.study.instrument import Instrument
from autotune.study.latency_cache import LatencyCache
from autotune.study.options import Options
from autotune.study.pool import Pool, RayPool
from autotune.study.prepare import prepare
from autotune.study.untrained_files import UntrainedFiles
from autotune.tflite.structure import structure
from benchmarks.replay import TABLES

SHARED = Path(__file__).parents[2] / "shared"
JOBS = 2
Grid = dict[str, tuple[Any, ...]]
GRIDS: dict[str, Grid] = {
    "resnet8": {
        "prune": (0.0, 0.3, 0.5, 0.65, 0.8),
        "cluster": (0, 64, 32, 16, 8),
        "quantize": SCHEMES,
        "delegate": ("xnnpack", "builtin"),
        "threads": (1, 2),
        "augment": ("mix",),
        "epochs": (5,),
    },
    "resnet8_channels": {
        "channels": (1.0, 0.8, 0.65, 0.5, 0.35),
        "prune": (0.0, 0.5),
        "cluster": (0, 16),
        "quantize": ("none", "dynamic", "int8", "int4", "w4a8", "qat"),
        "rounding": ("gptq",),
        "levels": (15, 11, 9),
        "delegate": ("xnnpack",),
        "threads": (1, 2),
        "augment": ("mix",),
        "epochs": (12,),
    },
}
T = TypeVar("T")


class _TimedPool:
    """A pool that notes what each build took in its worker, in seconds by the stage's key."""

    def __init__(self, pool: Pool) -> None:
        self.share, self.close, self._submit = pool.share, pool.close, pool.submit
        self.seconds: dict[str, float] = {}

    def submit(self, function: Callable[..., T], *arguments: Any) -> "Future[T]":
        if function is not pipeline.build:
            return self._submit(function, *arguments)
        answer: Future[T] = Future()

        def done(timed: "Future[tuple[T, float]]") -> None:
            if error := timed.exception():
                answer.set_exception(error)
            else:
                result, self.seconds[arguments[0].key] = timed.result()
                answer.set_result(result)

        self._submit(_timed, function, *arguments).add_done_callback(done)
        return answer


def _timed(function: Callable[..., T], *arguments: Any) -> tuple[T, float]:
    began = time.monotonic()
    return function(*arguments), time.monotonic() - began


def recipes(grid: Grid) -> list[Recipe]:
    """Those of a grid, each once; then those that keep all channels, in one shot."""
    names = [name for name in grid if name not in RUNNING]
    made = [Recipe(**dict(zip(names, each, strict=True))) for each in itertools.product(*map(grid.__getitem__, names))]
    made += [
        replace(recipe, fine_tune="none")
        for recipe in made
        if (recipe.prune or recipe.cluster) and recipe.channels == 1 and recipe.quantize != "qat"
    ]
    return list({recipe.key: recipe for recipe in made}.values())


def record(grid: Grid, folder: Path) -> dict[str, Any]:
    """Builds, evaluates and measures everything.

    Args:
        grid: values by dimension.
        folder: to work in.
    """
    device = LocalDevice(options=MeasureOptions(delegates=grid["delegate"]))
    pool = _TimedPool(RayPool(JOBS, start))
    space = Space({name: Categorical(values) for name, values in grid.items()}, "grid")
    model, data = SHARED / "models" / "resnet8.keras", SHARED / "data" / "cifar10_subset.npz"
    prepared = prepare(Options((model,), str(data), space, [], "table", folder, jobs=JOBS), device, pool, import_model)
    plans = ChannelPlans()
    builder = Builder(prepared.candidates, (), prepared.cache, pool, prepared.folder, plans=plans)
    with device.open() as session, ThreadPoolExecutor(JOBS + 2) as threads:
        latencies = LatencyCache(folder / "latency", device.facts())
        instrument = Instrument(builder, session, latencies, nullcontext, print, lambda: None)
        untrained = UntrainedFiles(builder, instrument, nullcontext, None, print)
        plans.plans |= ChannelPlanner(builder, untrained, nullcontext, space, True, print, print).plans()
        evaluator = Evaluator(builder, session, nullcontext)
        futures = [threads.submit(_row, builder, evaluator, recipe, grid) for recipe in recipes(grid)]
        for number, _ in enumerate(as_completed(futures), 1):
            print(f"\r{number} of {len(futures)}", end="", flush=True)
        pool.close()  # or what follows would not be measured in quiet
        rows = [future.result() for future in futures]
        latency = _latencies(grid, session, {row["structure"]: row.pop("path") for row in rows if "structure" in row})
    return {
        "device": device.facts().to_json(),
        "toolchain": pipeline.toolchain(),
        "grid": grid,
        "plans": {name: plan.to_json() for name, plan in plans.plans.items()},
        "rows": rows,
        "latency_ms": latency,
        "seconds": {key[:12]: snap(value) for key, value in pool.seconds.items()},
    }


def _row(builder: Builder, evaluator: Evaluator, recipe: Recipe, grid: Grid) -> dict[str, Any]:
    """What a recipe gives, its file's path among it."""
    row: dict[str, Any] = {"recipe": recipe.canonical(), "steps": []}
    try:
        row["steps"] = [[step.key[:12], step.stage, step.trains] for step in builder.steps(recipe)]
        key, artifact = builder.build(recipe)
    except Infeasible as error:
        return row | {"refused": str(error)}
    path = model_path(builder.folder, key)
    configs = [Config(recipe, Runtime(delegate, 1)) for delegate in grid["delegate"]]
    return row | {
        "path": str(path),
        "structure": structure(path.read_bytes())[:12],
        "size_bytes": len(artifact.data),
        "download_bytes": artifact.facts["downloads"]["gzip"],
        "downloads": artifact.facts["downloads"],
        "quality": {
            config.runtime.delegate: _quality(outcome)
            for config, outcome in zip(configs, evaluator.evaluate_runtimes(configs), strict=True)
        },
    }


def _quality(found: Outcome | Exception) -> dict[str, Any]:
    if isinstance(found, Exception):
        raise found
    if found.state == "refused":
        return {"refused": found.reason}
    return {"accuracy": found.metrics["accuracy"], "standard_error": snap(found.certainty.standard_error)}


def _latencies(grid: Grid, session: Session, files: dict[str, str]) -> dict[str, dict[str, float]]:
    """Medians in ms by structure and runtime, without those that can't be run so."""
    runtimes = [Runtime(*values) for values in itertools.product(*map(grid.__getitem__, RUNNING))]
    pairs = list(itertools.product(files, runtimes))
    found = measure(session, [Job(Path(files[name]), runtime) for name, runtime in pairs])
    latency: dict[str, dict[str, float]] = {}
    for (name, runtime), result in zip(pairs, found, strict=True):
        if isinstance(result, Measurement) and result.delegated != 0:
            latency.setdefault(name, {})[f"{runtime.delegate}-{runtime.threads}"] = result.p50_ms
    return latency


if __name__ == "__main__":
    [name] = sys.argv[1:]
    with tempfile.TemporaryDirectory() as scratch:
        content = json.dumps(record(GRIDS[name], Path(scratch)))
    (TABLES / f"{name}.json.gz").write_bytes(gzip.compress(content.encode(), mtime=0))
