"""A delegate that crashes, hangs or is killed costs its configuration, and the study goes on: real runner, real LiteRT.

The crash is real, its cause is made: the runner's hook AUTOTUNE_FAULT, for one delegate and thread count.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from autotune.compress.codecs import sizes
from autotune.devices.client.local import LocalDevice
from autotune.devices.device import MeasureOptions
from autotune.model.artifact import Artifact
from autotune.model.opening import Opening
from autotune.model.trust import Trust
from autotune.results.outcome import Measured
from autotune.space.file import parse
from autotune.study.driver import run
from autotune.study.options import Options
from autotune.testing import FakePool, SilentReporter, toy_files, toy_import
from autotune.testing.fakes import CLASSES
from tests.compress import tables


def classifier() -> bytes:
    """A file that is right about the toy data, whose one input is its class and up to a half."""
    model = tables.empty()
    steps = np.arange(CLASSES, dtype=np.float32)
    entry = tables.tensor(model, (1, 1), shapeSignature=[-1, 1])
    weights = tables.tensor(model, (CLASSES, 1), steps[:, np.newaxis])
    bias = tables.tensor(model, (CLASSES,), -((steps + 0.25) ** 2) / 2)  # the nearest class has the largest output
    end = tables.tensor(model, (1, CLASSES), shapeSignature=[-1, CLASSES])
    options = schema.FullyConnectedOptionsT()
    tables.operator(model, tables.OPERATOR.FULLY_CONNECTED, (entry, weights, bias), (end,), options)
    graph = model.subgraphs[0]
    graph.inputs, graph.outputs = [entry], [end]
    return tables.packed(model)


def opened(data: bytes, name: str, trust: Trust, opening: Opening) -> Artifact:  # as importers take it
    """In place of model.load.import_model(): the classifier has no activation."""
    toy = toy_import(data, name, trust)
    return Artifact(toy.data, toy.facts | {"activation": "linear"})


def build(*_: Any) -> Artifact:
    """In place of compress.pipeline.build()."""
    file = classifier()
    return Artifact(file, {"downloads": sizes(file), "layers": []})


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize(
    ("kind", "told", "delegates"),
    [
        ("abort", "SIGABRT", ["xnnpack", "builtin"]),
        ("segfault", "SIGSEGV", ["builtin"]),
        ("memory", "SIGKILL", ["builtin"]),
        ("loop", "no answer in 2 s", ["builtin"]),
    ],
)
def test_costs_one_configuration(
    kind: str, told: str, delegates: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is infeasible and says how it ended; all others are measured, and nothing has failed."""
    monkeypatch.setenv("AUTOTUNE_FAULT", f"{kind}:builtin:2")
    model, data = toy_files(tmp_path)
    space = parse({"quantize": "none", "delegate": delegates, "threads": [1, 2]}, "toy", (1, 2))
    options = Options((model,), str(data), space, [], name="toy", folder=tmp_path / "runs", trials=10, jobs=2)
    pool = FakePool(build=build)
    try:
        device = LocalDevice(
            options=MeasureOptions(delegates=tuple(delegates), threads=(1, 2), limit=2.0 if kind == "loop" else 60.0)
        )
        record = run(options, device, pool, SilentReporter(), list, opened).record
    finally:
        pool.close()
    states = {
        (point.outcome.config.runtime.delegate, point.outcome.config.runtime.threads): point.outcome
        for point in record.points
    }
    assert len(states) == len(record.points) == 2 * len(delegates)
    refused = states.pop(("builtin", 2))
    assert refused.state == "refused"
    assert told in str(refused.reason)
    assert all(isinstance(outcome, Measured) and outcome.metrics["accuracy"] == 1.0 for outcome in states.values())
    assert record.failed == {}
