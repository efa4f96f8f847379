"""A .tflite file as a python function of MLflow's: opened once, and run as the runner runs it.

Where a model is served there is no autotune: shipped with it are these modules, under another package's name.
"""

import os
from threading import Lock

import numpy as np

from autotune.devices.runner.inference import BATCH, ONE_EACH, opened, through


class PythonFunction:
    """One file on one delegate and a number of threads; may be called from several threads."""

    def __init__(self, path, delegate, threads, state="", ends=ONE_EACH):
        """Raises RuntimeError where the delegate is not there, or does not run the file: no other takes its place."""
        cores = os.sched_getaffinity(0) if delegate == "openvino_cpu" else None
        try:
            self._model = opened({"path": path, "delegate": delegate, "threads": threads, "state": state})
        except (ImportError, RuntimeError, ValueError) as error:
            advice = "serve it where that runs, or load it with another model_config, such as {'delegate': 'xnnpack'}"
            reason = " ".join(str(error).split())
            raise RuntimeError(f"the delegate {delegate} does not run this model here: {reason}; {advice}") from error
        finally:
            if cores:  # OpenVINO's threads stay on theirs; whoever loads a model keeps all
                os.sched_setaffinity(0, cores)
        self._ends = ends
        self._lock = Lock()

    def predict(self, inputs):
        """The outputs for inputs; of a file that keeps state, each as if it were the first.

        Args:
            inputs: (n, …), as the data that the model was tuned with: a file with an integer input takes integers as
                they are, and quantizes floats itself. Of several inputs each by its name.

        Returns:
            (n, …), float32; of several outputs each by its name.
        """
        columns = [np.asarray(inputs[name]) if name else inputs for name in self._ends["inputs"]]
        count = len(columns[0])
        if count:
            with self._lock:
                found, _ = through(self._model, columns, min(BATCH, count))
        else:
            found = [np.zeros((0, *exit_["shape"][1:]), np.float32) for exit_ in self._model.exits]
        names = self._ends["outputs"]
        return dict(zip(names, found)) if len(found) > 1 else found[0]  # noqa: B905


def _load_pyfunc(path, model_config):
    """What MLflow calls.

    Args:
        path: of the file.
        model_config: delegate, threads, state: what the file keeps from one inference to the next, and ends: names of
            its inputs and outputs, in its order, where there are several.
    """
    config = model_config
    return PythonFunction(path, config["delegate"], config["threads"], config["state"], config.get("ends", ONE_EACH))
