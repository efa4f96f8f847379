"""autotune: finds the best way to ship a Keras model on a device.

The values that everything else speaks in, and tune() and load(), which do what the command line does.
`import autotune` stays quick: nothing here imports TensorFlow, Ray, Optuna or MLflow before it is called.
"""

from autotune.api.front import Front
from autotune.api.picks import Pick, PickForAll, Saved, Unmet
from autotune.api.tune import load, tune
from autotune.config import Config, Recipe, Runtime
from autotune.errors import AutotuneError, Fault, StopStudy, UserError
from autotune.results.front import ParetoFront, Point
from autotune.results.outcome import Outcome
from autotune.targets.target import Target

__all__ = [
    "AutotuneError",
    "Config",
    "Fault",
    "Front",
    "Outcome",
    "ParetoFront",
    "Pick",
    "PickForAll",
    "Point",
    "Recipe",
    "Runtime",
    "Saved",
    "StopStudy",
    "Target",
    "Unmet",
    "UserError",
    "load",
    "tune",
]
