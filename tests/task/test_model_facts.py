"""What there is to know of a model, and JSON."""

import json

from autotune.task.model_facts import ModelFacts

CACHED = {
    "format": "tflite",
    "untrainable": "it is a .tflite file",
    "input_shape": [8, 8, 3],
    "output_shape": [],
    "input_dtype": "int8",
    "output_dtype": "int8",
    "layers": ["dense"],
    "parameters": 15,
    "largest_layer": 12,
    "activation": "linear",
    "quantized": True,
    "state": "",
    "left_float": "",
    "input_quantization": [0.5, -3],
    "compiled_loss": None,
    "compiled_metrics": ["accuracy"],
}
"""As caches have it; keys of files are made of it."""


def test_json_stays_what_it_is() -> None:
    """As caches have it, to the last name: the fingerprint of a task, and so each file's key, is of it."""
    facts = ModelFacts.from_json(CACHED)
    assert facts.to_json() == CACHED == json.loads(json.dumps(facts.to_json()))
    assert (facts.input_shape, facts.output_shape, facts.input_quantization) == ((8, 8, 3), (), (0.5, -3))
    floats = {name: value for name, value in CACHED.items() if name != "input_quantization"}
    assert ModelFacts.from_json(floats | {"mood": "good"}).to_json() == floats
