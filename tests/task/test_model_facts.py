"""What there is to know of a model, and JSON."""

import json

from autotune.task.model_facts import ModelFacts, TensorSpec

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
    assert facts.inputs == (TensorSpec((8, 8, 3), "int8", quantization=(0.5, -3)),)
    assert facts.outputs == (TensorSpec((), "int8", activation="linear"),)
    floats = {name: value for name, value in CACHED.items() if name != "input_quantization"}
    assert ModelFacts.from_json(floats | {"mood": "good"}).to_json() == floats


def test_several_inputs_and_outputs_have_names() -> None:
    """They come back from JSON with all that is known of them; what is of one alone is not there."""
    inputs = (TensorSpec((8,), "int32", "ids"), TensorSpec((8,), "int8", "mask", (0.5, 3)))
    outputs = (TensorSpec((8,), name="start", activation="linear"), TensorSpec((), name="end", activation="sigmoid"))
    facts = ModelFacts(inputs, outputs, ("dense",), 15, 12)
    values = json.loads(json.dumps(facts.to_json()))
    assert ModelFacts.from_json(values) == facts
    assert not {"input_shape", "output_shape", "input_dtype", "activation"} & values.keys()
    assert facts.input_shape == {"ids": (8,), "mask": (8,)}
    one_in = ModelFacts(inputs[:1], outputs, ("dense",), 15, 12).to_json()
    assert one_in["input_shape"] == [8]
    assert "inputs" not in one_in
