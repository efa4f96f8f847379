"""Small inputs that ask for all the memory there is: each is read within 200 MB, in a process of its own.

`python -m tests.readers.bombs FOLDER` writes them there and prints as JSON what the reader of each said. It takes
no time to speak of: what takes more memory than is allowed ends in a MemoryError, whatever the machine has.
"""

import argparse
import io
import json
import resource
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from PIL import Image

from autotune import experiment
from autotune.devices.runner.frames import read_frame
from autotune.errors import UserError
from autotune.model.contents import check_contents
from autotune.options import numbers
from autotune.space import file as space_file
from autotune.targets.target import parse
from autotune.task.data import read_data
from autotune.task.data.npy import read_array
from autotune.tflite.flatbuffer import describe, read_layers
from autotune.yaml_file import read_yaml
from tests.compress import tables
from tests.readers.contract import with_header

MEMORY = 200 * 2**20

LAUGHS = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))
"""A billion laughs."""

CHAIN = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 2000))


def bombs(folder: Path) -> dict[str, Callable[[], Any]]:
    """By name, what reads each."""

    def written(name: str, content: bytes) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def text(name: str, content: str, read: Callable[[str], Any]) -> Callable[[], Any]:
        path = str(written(f"{name}.yaml", content.encode()))
        return lambda: read(path)

    def yaml(name: str, content: str) -> Callable[[], Any]:
        return text(name, content, lambda path: read_yaml(Path(path), "file"))

    def space(name: str, content: str) -> Callable[[], Any]:
        return text(name, content, lambda path: space_file.read(path, [1]))

    def settled(name: str, content: str) -> Callable[[], Any]:
        return text(
            name, f"model: m.keras\ndata: d\n{content}", lambda path: experiment.settings_of({"experiment": path})
        )

    zeros = bytes(MEMORY + 2**20)
    archive = written("data.npz", zipped({"x_train.npy": zeros}))
    keras = zipped({"config.json": b"{}", "model.weights.h5": zeros})
    array = with_header(f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({2**40},), }}", b"")
    images = written("images/train/a/1.png", png(12_000, 12_000)).parents[2]
    for name in ("train/b/1.png", "test/a/1.png", "test/b/1.png"):
        Image.new("L", (4, 4)).save(written(f"images/{name}", b""))
    return {
        "cpus": lambda: numbers.cpus("0-99999999999"),
        "threads": lambda: numbers.threads("9" * 100_000),
        "trials": lambda: numbers.positive("1" + "0" * 30),
        "timeout": lambda: numbers.duration("1e300h"),
        "target": lambda: parse("latency<" + " " * 1_000_000 + "x"),
        "aliases": yaml("aliases", LAUGHS),
        "alias_of_itself": yaml("alias_of_itself", "a: &a [*a]"),
        "merged": yaml("merged", "a: &a {x: 1}\nb: &b {<<: *a}\n" + CHAIN),
        "nested": yaml("nested", "[" * 5_000),
        "long": yaml("long", "#" * 10_000_000),
        "number": yaml("number", "trials: " + "9" * 10_000),
        "digits": yaml("digits", "trials: 0x" + "f" * 10_000),
        "range": space("range", "epochs: {low: 1, high: 1000000000000}"),
        "grid": space("grid", "prune: {low: 0, high: 0.9, step: 1.0e-300}"),
        "steps": space("steps", "batch_size: {low: 1, high: 100000}"),
        "jobs": settled("jobs", "jobs: 1000000000000"),
        "seed": settled("seed", "seed: 1000000000000000000000"),
        "npz": lambda: read_data(str(archive), (1,), 0),
        "npy": lambda: read_array(io.BytesIO(array), len(array)),
        "tables": lambda: describe(overlapping(1000)),
        "names": lambda: describe(overlapping(100, name=2**20)),
        "sparse": lambda: read_layers(sparse((2**20, 2**20), 2**20, [0, 1])),
        "levels": lambda: read_layers(sparse((2**10, 2**10), 2**30, [0, 1])),
        "segments": lambda: read_layers(sparse((1, 2**10), 1, [0, 2**31 - 1])),
        "keras": lambda: check_contents(keras),
        "dataset": lambda: check_contents(hdf5(shape=(2**40,), chunks=(2**10,))),
        "dataset_in_keras": lambda: check_contents(zipped({"model.weights.h5": hdf5(shape=(2**40,), chunks=(2**10,))})),
        "elsewhere": lambda: check_contents(hdf5(shape=(10,), dtype="u1", external=[("/etc/passwd", 0, 10)])),
        "line": lambda: read_frame(io.BufferedReader(Endless(b"x"))),
        "bytes": lambda: read_frame(io.BytesIO(b'{"bytes": 1000000000000}\n')),
        "image": lambda: read_data(str(images), (4, 4), 0),
    }


class Endless(io.RawIOBase):
    """A stream that says the same for ever."""

    def __init__(self, word: bytes) -> None:
        self._word = word

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        buffer[:] = self._word * len(buffer)
        return len(buffer)


def overlapping(count: int, name: int = 1) -> bytes:
    """A .tflite file with so many graphs of so many tensors, which are all the same table."""
    builder = schema.flatbuffers.Builder()
    tensor = schema.TensorT(name="n" * name, shape=[1]).Pack(builder)
    schema.SubGraphStartTensorsVector(builder, count)
    for _ in range(count):
        builder.PrependUOffsetTRelative(tensor)
    tensors = builder.EndVector()
    schema.SubGraphStart(builder)
    schema.SubGraphAddTensors(builder, tensors)
    graph = schema.SubGraphEnd(builder)
    schema.ModelStartSubgraphsVector(builder, count)
    for _ in range(count):
        builder.PrependUOffsetTRelative(graph)
    graphs = builder.EndVector()
    schema.ModelStart(builder)
    schema.ModelAddSubgraphs(builder, graphs)
    builder.Finish(schema.ModelEnd(builder), b"TFL3")
    return bytes(builder.Output())


def sparse(shape: tuple[int, int], rows: int, edges: list[int]) -> bytes:
    """A .tflite file with a matrix of one value, which says that it has so many rows and values."""
    model = tables.empty()
    weights = tables.tensor(model, (1, 1), np.ones((1, 1), np.float32))
    tables.encode_sparsely(model, weights, np.ones((1, 1), np.float32))
    matrix = model.subgraphs[0].tensors[weights]
    matrix.shape = list(shape)
    matrix.sparsity.dimMetadata[0].denseSize = rows
    matrix.sparsity.dimMetadata[1].arraySegments.values = np.array(edges, np.int32)
    entry, end = tables.tensor(model, (1, shape[1])), tables.tensor(model, (1, shape[0]))
    tables.operator(model, tables.OPERATOR.FULLY_CONNECTED, [entry, weights, -1], [end])
    return tables.packed(model)


def hdf5(**dataset: Any) -> bytes:
    """An HDF5 file with such a dataset, of which nothing was written."""
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file.create_dataset("weights", **dataset)
    return stream.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def png(width: int, height: int) -> bytes:
    """Of so many pixels, of which it has the first few."""
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0),
        b"IDAT": zlib.compress(bytes(99)),
        b"IEND": b"",
    }
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks.items()
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def said(read: Callable[[], Any]) -> str:
    """How it was refused, else what came of it."""
    try:
        return f"read: {type(read()).__name__}"
    except (UserError, ValueError, argparse.ArgumentTypeError) as error:
        return "memory ran out" if isinstance(error.__cause__, MemoryError) else f"refused: {error}"
    except BaseException as error:  # noqa: BLE001  # MemoryError among others
        return f"{type(error).__name__}: {error}"


def main(folder: Path) -> None:
    every = bombs(folder)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    json.dump({name: said(read) for name, read in every.items()}, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
