"""Records an exhaustive grid of ResNet8 on CIFAR-10: what every recipe gives, and what each training took.

`python -m benchmarks.table` builds, evaluates and measures every recipe through autotune's own stages, also those
in one shot, and writes benchmarks/tables/resnet8.json.gz; about half an hour on two quiet cores.
"""

import gzip
import itertools
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TypeVar

from autotune.compress import pipeline
from autotune.compress.worker import start
from autotune.config import SCHEMES, Config, Recipe, Runtime, snap
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
from autotune.study.evaluate import Evaluator
from autotune.study.options import Options
from autotune.study.pool import Pool, RayPool
from autotune.study.prepare import prepare
from autotune.tflite.structure import structure
from benchmarks.replay import TABLE

SHARED = Path(__file__).parents[2] / "shared"
JOBS = 2
GRID: dict[str, tuple[Any, ...]] = {
    "prune": (0.0, 0.3, 0.5, 0.65, 0.8),
    "cluster": (0, 64, 32, 16, 8),
    "quantize": SCHEMES,
    "delegate": ("xnnpack", "builtin"),
    "threads": (1, 2),
    "augment": ("mix",),
    "epochs": (5,),
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


def recipes() -> Iterator[Recipe]:
    """The grid's, then the same in one shot."""
    names = ("prune", "cluster", "quantize", "augment", "epochs")
    grid = [dict(zip(names, values, strict=True)) for values in itertools.product(*(GRID[name] for name in names))]
    for values in grid:
        yield Recipe(**values)
    for values in grid:
        if (values["prune"] or values["cluster"]) and values["quantize"] != "qat":
            yield Recipe(**values, fine_tune="none")


def record(folder: Path) -> dict[str, Any]:
    """Builds, evaluates and measures everything.

    Args:
        folder: to work in.
    """
    device, pool = (
        LocalDevice(options=MeasureOptions(delegates=tuple(GRID["delegate"]))),
        _TimedPool(RayPool(JOBS, start)),
    )
    space = Space({name: Categorical(values) for name, values in GRID.items()}, "grid")
    model, data = SHARED / "models" / "resnet8.keras", SHARED / "data" / "cifar10_subset.npz"
    prepared = prepare(Options((model,), str(data), space, [], "table", folder, jobs=JOBS), device, pool, import_model)
    builder = Builder(prepared.candidates, (), prepared.cache, pool, prepared.folder)
    with device.open() as session, ThreadPoolExecutor(JOBS + 2) as threads:
        evaluator = Evaluator(builder, session, nullcontext)
        futures = [threads.submit(_row, builder, evaluator, recipe) for recipe in recipes()]
        for number, _ in enumerate(as_completed(futures), 1):
            print(f"\r{number} of {len(futures)}", end="", flush=True)
        pool.close()  # or what follows would not be measured in quiet
        rows = [future.result() for future in futures]
        latency = _latencies(session, {row["structure"]: row.pop("path") for row in rows if "structure" in row})
    return {
        "device": device.facts(),
        "toolchain": pipeline.toolchain(),
        "grid": GRID,
        "rows": rows,
        "latency_ms": latency,
        "seconds": {key[:12]: snap(value) for key, value in pool.seconds.items()},
    }


def _row(builder: Builder, evaluator: Evaluator, recipe: Recipe) -> dict[str, Any]:
    """What a recipe gives, its file's path among it."""
    row: dict[str, Any] = {
        "recipe": recipe.canonical(),
        "steps": [[step.key[:12], step.stage, step.trains] for step in builder.steps(recipe)],
    }
    try:
        key, artifact = builder.build(recipe)
    except Infeasible as error:
        return row | {"refused": str(error)}
    path = model_path(builder.folder, key)
    configs = [Config(recipe, Runtime(delegate, 1)) for delegate in GRID["delegate"]]
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


def _latencies(session: Session, files: dict[str, str]) -> dict[str, dict[str, float]]:
    """Medians in ms by structure and runtime, without those that can't be run so."""
    runtimes = [Runtime(*values) for values in itertools.product(GRID["delegate"], GRID["threads"])]
    pairs = list(itertools.product(files, runtimes))
    found = measure(session, [Job(Path(files[name]), runtime) for name, runtime in pairs])
    latency: dict[str, dict[str, float]] = {}
    for (name, runtime), result in zip(pairs, found, strict=True):
        if isinstance(result, Measurement) and result.delegated != 0:
            latency.setdefault(name, {})[f"{runtime.delegate}-{runtime.threads}"] = result.p50_ms
    return latency


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        TABLE.write_bytes(gzip.compress(json.dumps(record(Path(folder))).encode(), mtime=0))
