"""autotune: finds the best way to ship a Keras model on a device.

The values that everything else speaks in. The rest is reached through its modules, so that
`import autotune` stays quick: nothing here imports TensorFlow, Ray, Optuna or MLflow.
"""

from autotune.config import Config, Recipe, Runtime
from autotune.errors import UserError
from autotune.front import ParetoFront, Point
from autotune.outcome import Outcome
from autotune.target import Target

__all__ = ["Config", "Outcome", "ParetoFront", "Point", "Recipe", "Runtime", "Target", "UserError"]
