"""Every technique alone and combined, as one table each for the demo's model and ResNet8.

The recipes are written down here and not searched for; accuracy is of all test samples, so it is no
number to choose by.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from autotune.compress import pipeline
from autotune.compress.stage import TrainingData
from autotune.compress.worker import start
from autotune.config import Recipe, Runtime
from autotune.devices.client.local import LocalDevice
from autotune.errors import Infeasible
from autotune.measure.rounds import Job, measure
from autotune.model import load
from autotune.results.measurement import Measurement
from autotune.task.data import Split, read_data
from autotune.task.model_facts import ModelFacts
from autotune.task.task import Task, make_task

HERE = Path(__file__).parents[1]
SHARED = HERE.parent / "shared"
MODELS = {
    "digits": (HERE / "experiments/digits/digits.keras", HERE / "experiments/digits/digits.npz", "shift"),
    "ResNet8": (SHARED / "models/resnet8.keras", SHARED / "data/cifar10_subset.npz", "mix"),
}
EPOCHS = 20


def main() -> None:
    """Prints the tables as Markdown."""
    start(1)
    for name, (model, data, augment) in MODELS.items():
        if not model.exists() or not data.exists():
            print(f"{name} skipped: needs {model.name} and {data.name} in ../shared")
            continue
        _table(name, model, data, augment)


def recipes(augment: str) -> dict[str, Recipe]:
    """What is compared: each technique alone, then what goes together."""
    training: dict[str, Any] = {"epochs": EPOCHS, "augment": augment}
    sparse: dict[str, Any] = {"prune": 0.65, **training}
    shared: dict[str, Any] = {"cluster": 16, **training}
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
    }


def _table(title: str, model: Path, source: Path, augment: str) -> None:
    imported = load.import_model(model.read_bytes(), model.name)
    data = read_data(str(source), tuple(imported.facts["input_shape"]), 0)
    task = make_task(model.name, model.read_bytes(), ModelFacts.from_json(imported.facts), data, None, None, 0)
    train = task.data.train
    lessons = TrainingData(train.x, train.y, task.calibration(), task.loss, task.seed)
    every = Split(*(np.concatenate([getattr(task.data.validation, k), getattr(task.data.test, k)]) for k in "xy"))
    with tempfile.TemporaryDirectory() as folder:
        files = dict(_built(recipes(augment), imported.data, lessons, Path(folder)))
        print(f"\n| {title} | accuracy (95 %) | size B | download B | latency us |\n|---|---|---|---|---|", flush=True)
        for name, row in _measured(files, task, every, Path(folder)):
            print(f"| {name} | {row}", flush=True)


def _built(chosen: dict[str, Recipe], base: bytes, data: TrainingData, folder: Path) -> Iterator[tuple[str, Any]]:
    """Each recipe's file and facts; what several share is built once."""
    done: dict[str, Any] = {}
    for number, (name, recipe) in enumerate(chosen.items()):
        parent: bytes | None = None
        try:
            for step in pipeline.steps(recipe, "benchmark"):
                if step.key not in done:
                    done[step.key] = pipeline.build(step, base, parent, data)
                parent = done[step.key].data
        except Infeasible as error:
            print(f"{name} can't be built: {error}", flush=True)
            continue
        path = folder / f"{number}.tflite"
        path.write_bytes(done[step.key].data)
        yield name, (path, done[step.key].facts)


def _measured(files: dict[str, Any], task: Task, every: Split, folder: Path) -> Iterator[tuple[str, str]]:
    """Accuracy with its interval, sizes, and latency on one thread."""
    runtime, inputs = Runtime(), folder / "x.npy"
    np.save(inputs, every.x)
    with LocalDevice().open() as session:
        with session.lease(waiting=print):
            latencies = measure(session, [Job(path, runtime) for path, _ in files.values()])
        for (name, (path, facts)), latency in zip(files.items(), latencies, strict=True):
            assert isinstance(latency, Measurement)
            score = task.score(session.outputs(path, runtime, inputs), every.y)
            size, download = path.stat().st_size, facts["downloads"]["gzip"]
            accuracy = f"{score.value:.3f} ({score.low:.3f} to {score.high:.3f})"
            yield name, f"{accuracy} | {size:,} | {download:,} | {latency.p50_ms * 1e3:.1f} |"
