"""Custom operators: those that the installed LiteRT has are known from those that it has not."""

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import flexbuffers  # type: ignore[import-untyped]  # none of its own

from autotune.tflite.custom import missing
from tests.compress import tables

DETECTION = {
    "max_detections": 10,
    "max_classes_per_detection": 1,
    "num_classes": 1,
    "nms_score_threshold": 0.5,
    "nms_iou_threshold": 0.5,
    "y_scale": 10.0,
    "x_scale": 10.0,
    "h_scale": 5.0,
    "w_scale": 5.0,
}
"""Options as TensorFlow's object detection writes them."""


def custom(model: Any, name: str, inputs: list[int], outputs: list[int], options: dict[str, Any]) -> None:
    """Adds a custom operator to the first graph."""
    model.operatorCodes.append(
        schema.OperatorCodeT(
            builtinCode=tables.OPERATOR.CUSTOM, deprecatedBuiltinCode=tables.OPERATOR.CUSTOM, customCode=name
        )
    )
    operator = schema.OperatorT(opcodeIndex=len(model.operatorCodes) - 1, inputs=inputs, outputs=outputs)
    operator.customOptions = list(flexbuffers.Dumps(options))
    model.subgraphs[0].operators.append(operator)


def test_operators_are_tried() -> None:
    """Detection's and the spectrogram, which LiteRT has; one that nobody has, and one of TensorFlow's."""
    model = tables.empty()
    boxes, scores = tables.tensor(model, (1, 6, 4)), tables.tensor(model, (1, 6, 2))
    anchors = tables.tensor(model, (6, 4), np.zeros((6, 4), np.float32))
    found = [tables.tensor(model, shape) for shape in ((1, 10, 4), (1, 10), (1, 10), (1,))]
    custom(model, "TFLite_Detection_PostProcess", [boxes, scores, anchors], found, DETECTION)
    sound, spectrum = tables.tensor(model, (1024, 1)), tables.tensor(model, (1, 5, 129))
    custom(model, "AudioSpectrogram", [sound], [spectrum], {"window_size": 256, "stride": 192, "magnitude_squared": 0})
    for name in ("Dance", "FlexErf"):
        custom(model, name, [sound], [tables.tensor(model, (1024, 1))], {})
    names = [code.customCode for code in model.operatorCodes]
    assert missing(tables.packed(model), names) == ["Dance", "FlexErf"]
