"""Indices without a row are found before anything is built."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotune.errors import UserError
from autotune.model.artifact import Artifact
from autotune.space.file import parse
from autotune.study.examine import examine
from autotune.study.options import Options
from autotune.study.prepare import prepare
from autotune.task.model_facts import ModelFacts, TensorSpec
from autotune.testing import FakeDevice, FakePool

ROWS = 20


def model(folder: Path, names: list[str]) -> Path:
    """A file of the config of a model that has an embedding behind its first input."""
    inputs = [{"class_name": "InputLayer", "config": {"name": name}, "inbound_nodes": []} for name in names]
    embedding = {"class_name": "Embedding", "config": {"input_dim": ROWS}, "inbound_nodes": [[[names[0], 0, 0, {}]]]}
    with zipfile.ZipFile(folder / "m.keras", "w") as archive:
        archive.writestr("config.json", json.dumps({"config": {"layers": [*inputs, embedding]}}))
    return folder / "m.keras"


def opened(folder: Path, arrays: dict[str, Any], names: list[str], how: Any) -> Any:
    specs = tuple(TensorSpec((3,), "int32", name if len(names) > 1 else "") for name in names)
    facts = ModelFacts(specs, (TensorSpec((2,), activation="softmax"),), ("dense",), parameters=9, largest_layer=9)
    y = np.arange(40) % 2
    np.savez(folder / "d.npz", **{"y_train": y, "y_test": y, **arrays})
    space = parse({"quantize": "none", "threads": [1]}, "toy", (1,))
    options = Options((model(folder, names),), str(folder / "d.npz"), space, [], "toy", folder / "runs")
    pool, device = FakePool(1), FakeDevice()

    def importer(data: bytes, *_: Any) -> Artifact:
        return Artifact(data, facts.to_json())

    try:
        return (
            examine(options, [device], pool, importer) if how is examine else prepare(options, device, pool, importer)
        )
    finally:
        pool.close()


def ids(highest: int, lowest: int = 0) -> Any:
    values = np.full((40, 3), ROWS // 2)
    values[-1, -1], values[0, 0] = highest, lowest
    return values


@pytest.mark.parametrize("how", [examine, prepare])
@pytest.mark.parametrize(
    ("train", "test", "line"),
    [
        (ids(ROWS), ids(0), "train samples of 'ids' hold index 20, the model's embedding has 20 rows"),
        (ids(0), ids(ROWS + 5), "test samples of 'ids' hold index 25, the model's embedding has 20 rows"),
        (ids(0, -1), ids(0), "train samples of 'ids' hold index -1, the model's embedding has 20 rows"),
    ],
    ids=["train", "test", "negative"],
)
def test_an_index_without_a_row_is_refused(how: Any, train: Any, test: Any, line: str, tmp_path: Path) -> None:
    """In one line that has the input, the index and the number of rows; nothing is written."""
    with pytest.raises(UserError, match=rf"^data .*d\.npz: {line}$"):
        opened(tmp_path, {"x_train": train, "x_test": test}, ["ids"], how)
    assert not (tmp_path / "runs").exists()


def test_an_input_of_several_is_named(tmp_path: Path) -> None:
    """Others, which go into no embedding, may hold any number."""
    arrays = {"x_train:ids": ids(ROWS), "x_test:ids": ids(0), "x_train:more": ids(999), "x_test:more": ids(999)}
    with pytest.raises(UserError, match="train samples of 'ids' hold index 20"):
        opened(tmp_path, arrays, ["ids", "more"], examine)
    arrays["x_train:ids"] = ids(ROWS - 1)
    assert opened(tmp_path, arrays, ["ids", "more"], examine).candidates


def test_every_row_may_be_asked_for(tmp_path: Path) -> None:
    """The first and the last one."""
    assert opened(tmp_path, {"x_train": ids(ROWS - 1), "x_test": ids(0)}, ["ids"], prepare).candidates
