"""Every technique alone and combined, as one table each for the demo's model, ResNet8 and a small MobileNet.

The recipes are written down here and not searched for; accuracy is of all test samples, so it is no
number to choose by. Rows with rounding are of five seeds. Channels are cut by multiply-accumulates.
"""

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autotune.compress import pipeline
from autotune.compress.channels.examine import examine
from autotune.compress.channels.plan import most_important, plan
from autotune.compress.stage import TrainingData
from autotune.compress.worker import start
from autotune.config import Recipe, Runtime
from autotune.devices.client.local import LocalDevice
from autotune.errors import Infeasible
from autotune.measure.rounds import Job, measure
from autotune.model import load
from autotune.model.artifact import Artifact
from autotune.results.measurement import Measurement
from autotune.task.data import Split, read_data
from autotune.task.make import make_task
from autotune.task.model_facts import ModelFacts
from autotune.task.task import Task
from autotune.tflite.structure import structure

HERE = Path(__file__).parents[1]
SHARED = HERE.parent / "shared"
MODELS = {
    "digits": (HERE / "experiments/digits/digits.keras", HERE / "experiments/digits/digits.npz", "shift"),
    "ResNet8": (SHARED / "models/resnet8.keras", SHARED / "data/cifar10_subset.npz", "mix"),
    "a small MobileNet": (HERE / "benchmarks/depthwise.keras", SHARED / "data/cifar10_subset.npz", "mix"),
}
EPOCHS = 20
LONG = 80
SEEDS = range(5)
"""Of the calibration samples, and of the samples that weights are rounded by."""


@dataclass(frozen=True)
class Subject:
    """A model that recipes are tried on, and its samples.

    Attributes:
        base: the model, as load.import_model() gives it.
        tasks: of each seed.
        lessons: likewise, what its stages learn from.
        every: validation and test samples.
    """

    base: bytes
    tasks: list[Task]
    lessons: list[TrainingData]
    every: Split


def main() -> None:
    """Prints the tables as Markdown."""
    start(1)
    for name, (model, data, augment) in MODELS.items():
        if present(name, model, data):
            _table(name, read_subject(model, data), augment)


def present(name: str, model: Path, data: Path) -> bool:
    """Whether both files are there; says so where not."""
    there = model.exists() and data.exists()
    if not there:
        print(f"{name} skipped: needs {model.name} and {data.name} in ../shared")
    return there


def read_subject(model: Path, source: Path) -> Subject:
    """Reads a model's file and that of its data."""
    imported = load.import_model(model.read_bytes(), model.name)
    data = read_data(str(source), tuple(imported.facts["input_shape"]), 0)
    facts = ModelFacts.from_json(imported.facts)
    tasks = [make_task(model.name, model.read_bytes(), facts, data, None, None, seed) for seed in SEEDS]
    fitted = tasks[0].data  # inputs and labels as the model takes them
    lessons = [TrainingData(fitted.train.x, fitted.train.y, task.calibration(), task.loss, task.seed) for task in tasks]
    every = Split(*(np.concatenate([getattr(fitted.validation, k), getattr(fitted.test, k)]) for k in "xy"))
    return Subject(imported.data, tasks, lessons, every)


def recipes(augment: str) -> dict[str, Recipe]:
    """What is compared: each technique alone, then what goes together."""
    training: dict[str, Any] = {"epochs": EPOCHS, "augment": augment}
    sparse: dict[str, Any] = {"prune": 0.65, **training}
    shared: dict[str, Any] = {"cluster": 16, **training}
    half: dict[str, Any] = {"channels": 0.5, **training}
    rounded: dict[str, Any] = {"rounding": "gptq", "fine_tune": "none"}
    return {
        "float": Recipe(),
        "float16": Recipe(quantize="float16"),
        "dynamic range": Recipe(quantize="dynamic"),
        "int8 weights only": Recipe(quantize="weight_int8"),
        "full integer": Recipe(quantize="int8"),
        "full integer, integer in and out": Recipe(quantize="int8", io="int8"),
        "int16x8": Recipe(quantize="int16x8"),
        "int4": Recipe(quantize="int4"),
        "int4, half of the layers int8": Recipe(quantize="int4", mixed=0.5),
        "QAT": Recipe(quantize="qat", **training),
        "pruned 30 %, one shot": Recipe(prune=0.3, fine_tune="none"),
        "32 clusters, one shot": Recipe(cluster=32, fine_tune="none"),
        "pruned 65 %, labels": Recipe(**(sparse | {"fine_tune": "labels", "augment": "none"})),
        "pruned 65 %, labels, flips and shifts": Recipe(**(sparse | {"fine_tune": "labels", "augment": "flip_shift"})),
        "pruned 65 %, distilled": Recipe(**(sparse | {"augment": "none"})),
        "pruned 65 %, distilled, flips and shifts": Recipe(**(sparse | {"augment": "flip_shift"})),
        f"pruned 65 %, distilled, {augment}": Recipe(**sparse),
        "pruned 65 % at once": Recipe(prune_schedule="constant", **sparse),
        "two of four": Recipe(prune=0.5, prune_pattern="2by4", **training),
        "pruned for XNNPACK's sparse kernels": Recipe(prune_pattern="xnnpack", **sparse),
        "16 clusters": Recipe(**shared),
        "16 clusters in each channel": Recipe(cluster_scope="channel", **shared),
        "full integer, a quarter of the layers float": Recipe(quantize="int8", mixed=0.25),
        "pruned + full integer": Recipe(quantize="int8", **sparse),
        "clustered + full integer": Recipe(quantize="int8", **shared),
        "pruned + clustered + full integer": Recipe(quantize="int8", **(sparse | shared)),
        "PQAT": Recipe(quantize="qat", **sparse),
        "CQAT": Recipe(quantize="qat", **shared),
        "PCQAT": Recipe(quantize="qat", **(sparse | shared)),
        "full integer, rounded together": Recipe(quantize="int8", **rounded),
        "W4A8": Recipe(quantize="w4a8"),
        "W4A8, rounded together": Recipe(quantize="w4a8", **rounded),
        "int4, rounded together": Recipe(quantize="int4", **rounded),
        "int4, eleven levels": Recipe(quantize="int4", levels=11, **rounded),
        "int4, nine levels": Recipe(quantize="int4", levels=9, **rounded),
        "int4, nine levels, by layer": Recipe(quantize="int4", levels=9, levels_scope="layer", **rounded),
        "int4, a quarter of the layers int8, rounded together": Recipe(quantize="int4", mixed=0.25, **rounded),
        "int4, 40 % zeros, rounded together": Recipe(quantize="int4", prune=0.4, **rounded),
        "full integer, 30 % zeros, rounded together": Recipe(quantize="int8", prune=0.3, **rounded),
        "full integer, 32 clusters, rounded together": Recipe(quantize="int8", cluster=32, **rounded),
        "pruned + int4, rounded together": Recipe(quantize="int4", rounding="gptq", **sparse),
        "half of the arithmetic, no training": Recipe(channels=0.5, fine_tune="none"),
        "half of the arithmetic, distilled": Recipe(**half),
        f"half of the arithmetic, distilled for {LONG} epochs": Recipe(**(half | {"epochs": LONG})),
        "half of the arithmetic + full integer": Recipe(quantize="int8", **half),
        "half of the arithmetic + int4, rounded together": Recipe(quantize="int4", rounding="gptq", **half),
    }


def _table(title: str, subject: Subject, augment: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = dict(_built(recipes(augment), subject.base, subject.lessons, Path(folder)))
        print(f"\n| {title} | accuracy | size B | download B | latency us |\n|---|---|---|---|---|", flush=True)
        for name, row in _measured(files, subject.tasks[0], subject.every, Path(folder)):
            print(f"| {name} | {row}", flush=True)


def _built(
    chosen: dict[str, Recipe], base: bytes, lessons: list[TrainingData], folder: Path
) -> Iterator[tuple[str, list[tuple[Path, Any]]]]:
    """Each recipe's files and their facts, for each seed where it rounds; what several share is built once."""
    done: dict[tuple[str, int], Artifact] = {}
    examined = examine(base, lessons[0])
    for number, (name, recipe) in enumerate(chosen.items()):
        keep = most_important(examined, plan(examined, recipe.channels)) if recipe.channels < 1 else None
        files = []
        try:
            for seed in SEEDS if recipe.rounds else SEEDS[:1]:
                artifact = file_of(recipe, keep, base, lessons, seed, done)
                path = folder / f"{number}-{seed}.tflite"
                path.write_bytes(artifact.data)
                files.append((path, artifact.facts))
        except Infeasible as error:
            print(f"{name} can't be built: {error}", flush=True)
            continue
        yield name, files


def file_of(
    recipe: Recipe,
    keep: dict[str, list[int]] | None,
    base: bytes,
    lessons: list[TrainingData],
    seed: int,
    done: dict[tuple[str, int], Artifact],
) -> Artifact:
    """A recipe's file. What comes before the rounding is of the first seed."""
    parent: bytes | None = None
    smaller: bytes | None = None
    drawn = 0
    for step in pipeline.steps(recipe, "benchmark", keep):
        drawn = seed if step.stage == "round" else drawn
        if (step.key, drawn) not in done:
            done[step.key, drawn] = pipeline.build(step, base, parent, lessons[drawn], smaller)
        artifact = done[step.key, drawn]
        parent, smaller = (None, artifact.data) if step.gives_model else (artifact.data, smaller)
    return artifact


def _measured(
    files: dict[str, list[tuple[Path, Any]]], task: Task, every: Split, folder: Path
) -> Iterator[tuple[str, str]]:
    """Accuracy with its interval, over several seeds its mean, least and greatest; sizes; what files of one structure
    take on one thread.
    """
    runtime, inputs = Runtime(), folder / "x.npy"
    np.save(inputs, every.x)
    with LocalDevice().open() as session:
        names = {name: structure(rows[0][0].read_bytes()) for name, rows in files.items()}
        firsts = {names[name]: rows[0][0] for name, rows in reversed(files.items())}
        with session.lease(waiting=lambda by: print(f"waiting for {by}", file=sys.stderr)):
            latencies = dict(
                zip(firsts, measure(session, [Job(file, runtime) for file in firsts.values()]), strict=True)
            )
        for name, rows in files.items():
            latency = latencies[names[name]]
            assert isinstance(latency, Measurement)
            scores = [task.score(session.outputs(path, runtime, inputs), every.y) for path, _ in rows]
            values = [score.value for score in scores]
            if len(rows) > 1:
                accuracy = f"{np.mean(values):.3f}, of five {min(values):.3f} to {max(values):.3f}"
            else:
                accuracy = f"{values[0]:.3f} ({scores[0].low:.3f} to {scores[0].high:.3f})"
            size = round(np.mean([path.stat().st_size for path, _ in rows]))
            download = round(np.mean([facts["downloads"]["gzip"] for _, facts in rows]))
            yield name, f"{accuracy} | {size:,} | {download:,} | {latency.p50_ms * 1e3:.1f} |"
