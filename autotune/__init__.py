"""autotune: finds the best way to ship a Keras model on a device.

The values that everything else speaks in, and tune() and load(), which do what the command line does.
`import autotune` is quick: nothing is imported before it is asked for, TensorFlow, Ray, Optuna or MLflow before it is
called.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

_MODULES = {
    "AutotuneError": "errors",
    "Config": "config",
    "Fault": "errors",
    "Front": "api.front",
    "Outcome": "results.outcome",
    "ParetoFront": "results.front",
    "Pick": "api.picks",
    "PickForAll": "api.picks",
    "Point": "results.front",
    "Recipe": "config",
    "Runtime": "config",
    "Saved": "api.picks",
    "StopStudy": "errors",
    "Target": "targets.target",
    "Unmet": "api.picks",
    "UserError": "errors",
    "load": "api.tune",
    "tune": "api.tune",
}
"""Where each public name is."""

if not TYPE_CHECKING:  # else every name would be there for a type checker

    def __getattr__(name: str) -> object:
        """A public name, imported when it is first asked for (PEP 562): the command line's --help needs none."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
