"""Files run as the runner runs them, in this process."""

from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from autotune.devices.runner.inference import decoded, encoded


def run(file: bytes, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The file's outputs, sample by sample."""
    interpreter = Interpreter(model_content=file)
    interpreter.allocate_tensors()
    entry, exit_ = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    outputs = []
    for sample in x:
        interpreter.set_tensor(entry["index"], encoded(sample[None], entry))
        interpreter.invoke()
        output = interpreter.get_tensor(exit_["index"])[0]
        outputs.append(decoded(output, exit_))
    return np.array(outputs)
