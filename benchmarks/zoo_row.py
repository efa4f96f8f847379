"""One model of the zoo, opened, trained and compressed in this process: python -m benchmarks.zoo_row NAME."""

import json
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from autotune.compress.channels.examine import examine
from autotune.compress.channels.plan import most_important, plan
from autotune.compress.stage import TrainingData
from autotune.compress.worker import start
from autotune.config import Recipe, Runtime
from autotune.devices.client.local import LocalDevice
from autotune.devices.device import Session
from autotune.errors import Fault, Infeasible, UserError, one_line
from autotune.model import load
from autotune.model.artifact import Artifact
from autotune.model.file import read_model
from autotune.study.parity import SPREAD, parity, senseless
from autotune.task.data import Array, read_data
from autotune.task.data.fields import parts
from autotune.task.make import make_task
from autotune.task.model_facts import ModelFacts, TensorSpec
from autotune.task.task import Task
from benchmarks.techniques import file_of
from benchmarks.zoo_models import Entry, entries, made, save
from benchmarks.zoo_networks import VOCABULARY, Model

SAMPLES = {"train": 48, "val": 16, "test": 16}
GAP = 1e-3
"""Largest difference of a float file's outputs from those of the Keras model, relative to their magnitude."""
LEAST = 1e-2
"""Of that magnitude."""
ROUGH = 3e-2
"""The same for a model that computes in 16 bits."""
OFF = 0.5
"""Mean difference from the float file, relative to its outputs' magnitude, that no 8-bit scheme should have."""


_TRAINING: dict[str, Any] = {"epochs": 1, "batch_size": 16}
RECIPES: dict[str, Recipe] = {
    "float": Recipe(),
    "float16": Recipe(quantize="float16"),
    "dynamic": Recipe(quantize="dynamic"),
    "weight int8": Recipe(quantize="weight_int8"),
    "int8": Recipe(quantize="int8"),
    "int8 io": Recipe(quantize="int8", io="int8"),
    "int16x8": Recipe(quantize="int16x8"),
    "int4": Recipe(quantize="int4"),
    "w4a8": Recipe(quantize="w4a8"),
    "int4 gptq": Recipe(quantize="int4", rounding="gptq", fine_tune="none"),
    "channels": Recipe(channels=0.5, fine_tune="none"),
    "prune": Recipe(prune=0.5, **_TRAINING),
    "cluster": Recipe(cluster=16, **_TRAINING),
    "QAT": Recipe(quantize="qat", **_TRAINING),
}
"""By column."""

OPENS, KERAS, PARITY = "opens", "= Keras", "= built-in"
COLUMNS = (OPENS, KERAS, *RECIPES, PARITY)
OK = "ok"
FAULT = "fault: "
"""Before what is no refusal."""


def cells(entry: Entry, folder: Path) -> Iterator[tuple[str, str]]:
    """The columns of a model, one by one, each with OK or why not."""
    model = made(entry)
    path = folder / f"model{entry.form}"
    save(model, entry, path)
    try:
        source = read_model(path)
        imported = load.import_model(source, path.name)
        facts = ModelFacts.from_json(imported.facts)
        task = _task(path.name, source, facts, entry, folder)
    except Exception as error:  # noqa: BLE001  # told as what it is
        yield from ((column, _reason(error)) for column in COLUMNS)
        return
    yield OPENS, OK if facts.untrainable is None else f"not to be trained: {facts.untrainable}"
    x = folder / "x.npy"
    np.save(x, task.data.validation.x)
    with LocalDevice().open() as session:
        yield from _built(Subject(entry, model, imported.data, task, session, folder))


@dataclass
class Subject:
    """A model under way, with what its files are held against.

    Attributes:
        entry: of the zoo.
        model: as Keras has it.
        base: as load.import_model() gives it.
        task: of random samples.
        session: that runs its files.
        folder: for them.
        done: artifacts that recipes share.
        float_outputs: of the float file, None before there is one.
        disagreeing: files that XNNPACK and the built-in kernels compute otherwise, and by how much.
    """

    entry: Entry
    model: Model
    base: bytes
    task: Task
    session: Session
    folder: Path
    done: dict[tuple[str, int], Artifact] = field(default_factory=dict)
    float_outputs: Array | None = None
    disagreeing: list[str] = field(default_factory=list)

    @property
    def lessons(self) -> TrainingData:
        """What its stages learn from."""
        train = self.task.data.train
        return TrainingData(train.x, train.y, self.task.calibration(), self.task.loss, self.task.seed)


def _built(subject: Subject) -> Iterator[tuple[str, str]]:
    for column, recipe in RECIPES.items():
        if recipe.trains and subject.task.facts.untrainable is not None:
            yield column, "can't be trained, see the first column"
            continue
        yield column, _attempt(partial(_file, subject, column, recipe))
        if column == "float":
            yield KERAS, _attempt(partial(_as_keras, subject))
    yield PARITY, "; ".join(subject.disagreeing) or OK


def _attempt(work: Callable[[], str]) -> str:
    try:
        return work()
    except Exception as error:  # noqa: BLE001  # told as what it is
        return _reason(error)


def _reason(error: Exception) -> str:
    """The reason of a refusal; of anything else, that it is our fault."""
    if isinstance(error, Infeasible | UserError):
        return one_line(error, 250)
    traceback.print_exception(error)
    kind = "" if isinstance(error, Fault) else f"{type(error).__name__}: "
    return f"{FAULT}{kind}{one_line(error, 250)}"


def _file(subject: Subject, column: str, recipe: Recipe) -> str:
    """Builds a file and runs it."""
    keep = None
    if recipe.channels < 1:
        if subject.task.facts.untrainable is not None:
            return "channels of a model that can't be opened as Keras layers can't be cut"
        examined = examine(subject.base, subject.lessons)
        keep = most_important(examined, plan(examined, recipe.channels))
    artifact = file_of(recipe, keep, subject.base, [subject.lessons], 0, subject.done)
    path = subject.folder / f"{column}.tflite"
    path.write_bytes(artifact.data)
    inputs = subject.folder / "x.npy"
    delegate = "builtin" if recipe.quantize == "int16x8" else "xnnpack"
    outputs = subject.session.outputs(path, Runtime(delegate), inputs)
    if reason := senseless(outputs):
        return f"{FAULT}{reason}"
    if delegate == "xnnpack":
        try:
            theirs = subject.session.outputs(path, Runtime("builtin"), inputs)
            if reason := _disagreement(outputs, theirs):
                subject.disagreeing.append(f"{column}: {reason}")
        except Infeasible as error:
            subject.disagreeing.append(f"{column}: built-in kernels: {one_line(error, 150)}")
    if column == "float":
        subject.float_outputs = outputs
    elif not recipe.trains and recipe.quantize not in ("int4", "w4a8", "none") and subject.float_outputs is not None:
        off = _off(outputs, subject.float_outputs)
        if off > OFF:
            return f"outputs are {off:.0%} of their size off those of the float file"
    return OK


def _disagreement(outputs: Array, theirs: Array) -> str | None:
    compared = parity(outputs, theirs, float("nan"))
    if compared.relative_error <= SPREAD or _off(outputs, theirs) <= SPREAD / 10:
        return None
    return f"XNNPACK is {compared.relative_error:.0%} of the outputs' spread off the built-in kernels"


def _off(outputs: Array, reference: Array) -> float:
    """The mean difference, relative to the mean magnitude; of several outputs the largest."""
    each = zip(parts(outputs).values(), parts(reference).values(), strict=True)
    return max(float(np.abs(a.astype(float) - b).mean() / (np.abs(b).mean() or 1.0)) for a, b in each)


def _as_keras(subject: Subject) -> str:
    """Whether the float file computes what the model does that it was made of."""
    if subject.float_outputs is None:
        return "no float file"
    ours = parts(subject.float_outputs)
    gaps = []
    for position, spec in enumerate(subject.task.facts.outputs):
        right = np.concatenate([np.asarray(each[position], np.float64) for each in _keras_outputs(subject)])
        gap = np.max(np.abs(ours[spec.name].reshape(right.shape) - right))
        gaps.append(float(gap) / max(LEAST, float(np.max(np.abs(right)))))
    gap = float(np.max(gaps))  # max() would pass over NaN
    if not gap <= (GAP if subject.entry.exact else ROUGH):
        return f"{FAULT}outputs differ by {gap:.2g} from those of the Keras model"
    return OK


def _keras_outputs(subject: Subject) -> Iterator[list[Any]]:
    """The Keras model's outputs of each sample, in its own order."""
    columns = list(parts(subject.task.data.validation.x).values())
    for sample in range(len(columns[0])):
        values = [column[sample : sample + 1] for column in columns]
        outputs = subject.model(values if len(values) > 1 else values[0], training=False)
        yield list(outputs) if isinstance(outputs, list | tuple) else [outputs]


def _task(name: str, source: bytes, facts: ModelFacts, entry: Entry, folder: Path) -> Task:
    """The task of random samples and labels, by way of a file as users have it."""
    random = np.random.default_rng(0)
    arrays: dict[str, Array] = {}
    for split, count in SAMPLES.items():
        for spec in facts.inputs:
            arrays[f"x_{split}" + (f":{spec.name}" if spec.name else "")] = _inputs(spec, count, entry, random)
        for spec in facts.outputs:
            arrays[f"y_{split}" + (f":{spec.name}" if spec.name else "")] = _labels(spec, count, random)
    np.savez(folder / "data.npz", **arrays)  # type: ignore[arg-type]  # its stub takes no arrays by name
    data = read_data(str(folder / "data.npz"), facts.input_shape, 0)
    metric = None
    if len(facts.outputs) > 1:
        spec = facts.outputs[0]
        metric = f"{spec.name}={'accuracy' if spec.activation else 'mae'}"
    return make_task(name, source, facts, data, None, metric, 0)


def _inputs(spec: TensorSpec, count: int, entry: Entry, random: np.random.Generator) -> Array:
    shape = (count, *spec.shape)
    if "int" in spec.dtype:
        return random.integers(0, VOCABULARY, shape)
    return random.uniform(0, 255, shape) if entry.pixels else random.normal(size=shape)


def _labels(spec: TensorSpec, count: int, random: np.random.Generator) -> Array:
    if spec.activation == "softmax":
        shape = (count, *spec.shape[:-1])
        return (np.arange(np.prod(shape)) % spec.shape[-1]).reshape(shape)
    if spec.activation == "sigmoid":
        return random.integers(0, 2, (count, *spec.shape))
    return random.normal(size=(count, *spec.shape)).astype(np.float32)


def _child(name: str) -> None:
    """Says each cell as a line of JSON."""
    start(1)
    with tempfile.TemporaryDirectory() as folder:
        for cell in cells(entries()[name], Path(folder)):
            print(json.dumps(cell), flush=True)


if __name__ == "__main__":
    _child(sys.argv[1])
