"""Post-training variants built in a second, against LiteRT's converter one scheme at a time (goal: 10 times).

Ours are every scheme, as it is and clustered in one shot, and include the one conversion to float.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from autotune.compress import oneshot, post_training
from autotune.compress.convert import converted
from autotune.compress.worker import start
from autotune.model import load
from autotune.task.data import read_data
from autotune.task.make import make_task
from autotune.task.model_facts import ModelFacts

DIGITS = Path(__file__).parents[1] / "experiments" / "digits"
THEIRS = ("float16", "dynamic", "int8", "int16x8")
CLUSTERS = 32
ROUNDS = 3


def main() -> None:
    """Both ways in turn in one process, from the same model."""
    start(1)
    model = DIGITS / "digits.keras"
    imported = load.import_model(model.read_bytes(), model.name)
    data = read_data(str(DIGITS / "digits.npz"), tuple(imported.facts["input_shape"]), 0)
    task = make_task(model.name, model.read_bytes(), ModelFacts.from_json(imported.facts), data, None, None, 0)
    opened, calibration = load.open_base(imported.data), task.calibration()
    rates: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(ROUNDS):
        rates["theirs"].append(_rate(lambda: [_by_converter(opened, scheme, calibration) for scheme in THEIRS]))
        rates["ours"].append(_rate(lambda: _ours(opened, calibration)))
    ours, theirs = float(np.median(rates["ours"])), float(np.median(rates["theirs"]))
    print(f"variants a second: {ours:.2f}, LiteRT's converter {theirs:.2f}: {ours / theirs:.1f} times as many")


def _ours(model: Any, calibration: Any) -> list[bytes]:
    file = converted(model)
    sources = (file, oneshot.cluster(file, CLUSTERS))
    return [
        post_training.quantize(source, scheme, calibration) for source in sources for scheme in post_training.SCHEMES
    ]


def _rate(work: Callable[[], list[bytes]]) -> float:
    began = time.perf_counter()
    return len(work()) / (time.perf_counter() - began)


def _by_converter(model: Any, scheme: str, calibration: Any) -> bytes:
    """The way that LiteRT's guide to post-training quantization shows."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if scheme == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if scheme in ("int8", "int16x8"):
        converter.representative_dataset = lambda: ([sample[None]] for sample in calibration)
        ops = tf.lite.OpsSet
        integer = ops.TFLITE_BUILTINS_INT8
        wide = ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.target_spec.supported_ops = [integer if scheme == "int8" else wide]
    return bytes(converter.convert())
