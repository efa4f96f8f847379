"""Keras' recurrent layers as LiteRT's fused operator and as a loop: how large, how fast, and what can be quantized."""

import gzip
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from autotune.compress import convert, post_training
from autotune.compress.worker import start
from autotune.config import Runtime
from autotune.devices.client.local import LocalDevice
from autotune.measure.rounds import Job, measure
from autotune.results.measurement import Measurement
from autotune.tflite.flatbuffer import describe

STEPS, FEATURES, UNITS = 50, 16, 64
RUNTIMES = (Runtime("xnnpack", 1), Runtime("builtin", 1))


def main() -> None:
    """Prints the table as Markdown."""
    start(1)
    with tempfile.TemporaryDirectory() as folder, LocalDevice().open() as session:
        rows = list(_files(Path(folder)))
        jobs = [Job(path, runtime) for *_, path in rows for runtime in RUNTIMES]
        with session.lease(waiting=lambda _: None):
            found = iter(measure(session, jobs))
        print("| layer | as | scheme | bytes | gzip | xnnpack, us | builtin, us |\n|---|---|---|---|---|---|---|")
        for layer, way, scheme, path in rows:
            data = path.read_bytes()
            times = " | ".join(_microseconds(next(found)) for _ in RUNTIMES)
            print(f"| {layer} | {way} | {scheme} | {len(data)} | {len(gzip.compress(data, 9, mtime=0))} | {times} |")


def _microseconds(result: Any) -> str:
    return f"{1e3 * result.p50_ms:.0f}" if isinstance(result, Measurement) else str(result)


def _files(folder: Path) -> Iterator[tuple[str, str, str, Path]]:
    """Layer, way, scheme and file; a layer that the converter fuses into nothing is a loop only."""
    import tensorflow as tf
    import tf_keras
    from tf_keras.layers import GRU, LSTM, Bidirectional, Dense, Input, SimpleRNN

    x = np.random.default_rng(0).normal(size=(8, STEPS, FEATURES)).astype(np.float32)
    made: dict[str, Callable[[], Any]] = {
        "LSTM": lambda: LSTM(UNITS),
        "GRU": lambda: GRU(UNITS),
        "SimpleRNN": lambda: SimpleRNN(UNITS),
        "Bidirectional(LSTM)": lambda: Bidirectional(LSTM(UNITS)),
        "Bidirectional(GRU)": lambda: Bidirectional(GRU(UNITS)),
    }
    for layer, make in made.items():
        tf_keras.utils.set_random_seed(0)
        model = tf_keras.Sequential([Input((STEPS, FEATURES)), make(), Dense(10, activation="softmax")])
        fused = bytes(convert.for_one_sample(model).convert())
        if not describe(fused)["operators"]["WHILE"]:
            yield layer, "operator", "float", _written(folder, fused)
            for scheme in ("dynamic", "int8"):  # by the converter, since LiteRT's quantizer leaves the operator float
                converter = convert.for_one_sample(model)
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
                if scheme == "int8":
                    converter.representative_dataset = lambda: ([sample[None]] for sample in x)
                yield layer, "operator", scheme, _written(folder, bytes(converter.convert()))
        loop = convert.converted(model)
        yield layer, "loop", "float", _written(folder, loop)
        yield layer, "loop", "dynamic", _written(folder, post_training.quantize(loop, "dynamic", x))


def _written(folder: Path, file: bytes) -> Path:
    path = folder / f"{len(list(folder.iterdir()))}.tflite"
    path.write_bytes(file)
    return path


if __name__ == "__main__":
    main()
