"""What of the user's code a model file may bring into this process, and what it would bring.

Keras runs code that a file holds or names: the bytecode of Lambda layers, and any importable
class. So a file's config is looked through before Keras sees it, and nothing is run that the
user has not named. SavedModel graphs and .tflite files are no Python code and need no trust.
"""

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autotune.errors import UserError

_HARMLESS = ("keras", "tf_keras", "builtins")


@dataclass(frozen=True)
class Trust:
    """What a user allows.

    Attributes:
        code: whether code that a model file holds or names may run (--trust).
        modules: that register classes of models when they are imported (--register): dotted
            names, or paths of .py files.
    """

    code: bool = False
    modules: tuple[str, ...] = ()


_allowed = Trust()


def allow(trust: Trust) -> None:
    """Sets what is allowed in this process from now on; what was allowed before is forgotten.

    Nothing is imported yet, and so nothing is raised: a Ray actor would die of it.
    """
    global _allowed
    _allowed = trust


def trusted() -> Trust:
    """What is allowed, its modules imported.

    Raises:
        UserError: one can't be.
    """
    for module in _allowed.modules:
        _register(module)
    return _allowed


def refused(config: Any, trust: Trust) -> str | None:
    """Why a model's config may not be opened, None where it may.

    Args:
        config: as Keras 3 or Keras 2 wrote it (JSON).
        trust: as trusted() gives it.
    """
    if trust.code:
        return None
    if isinstance(config, list):
        return next((found for item in config if (found := refused(item, trust))), None)
    if not isinstance(config, dict):
        return None
    return _refused_object(config, trust) or refused(list(config.values()), trust)


def _refused_object(node: dict[str, Any], trust: Trust) -> str | None:
    kind, config = node.get("class_name"), node.get("config")
    called = config.get("name") if isinstance(config, dict) else None
    label = f"layer {called!r} ({kind})" if called else f"{kind}"
    if kind in ("Lambda", "__lambda__"):
        return f"{label} is code that opening the file would run; use built-in layers, or allow it with --trust"
    # A class or function that is registered is "PACKAGE>NAME"; where it stands depends on Keras's version.
    names = [name for name in (node.get("registered_name"), kind, config) if isinstance(name, str) and ">" in name]
    module = node.get("module") or "keras"
    custom = bool(names) or module.split(".")[0] not in _HARMLESS
    if custom and not (any(map(_is_registered, names)) or module in map(_module_name, trust.modules)):
        label = names[0] if kind == "function" else label
        hint = "name the module that registers it with --register MODULE, or allow any code with --trust"
        return f"{label} is a custom class; {hint}"
    return None


def _is_registered(name: str) -> bool:
    import keras
    import tf_keras

    return any(package.utils.get_registered_object(name) is not None for package in (keras, tf_keras))


def _module_name(module: str) -> str:
    return Path(module).stem if module.endswith(".py") else module


def _register(module: str) -> None:
    name = _module_name(module)
    try:
        if module.endswith(".py"):
            path = Path(module).resolve(strict=True)
            if str(path.parent) not in sys.path:
                sys.path.insert(0, str(path.parent))
        found = importlib.import_module(name)
    except (Exception, SystemExit) as error:  # the user's code may fail in any way
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise UserError(f"--register {module}: can't be imported: {reason}") from error
    if module.endswith(".py") and Path(found.__file__ or "").resolve() != path:
        raise UserError(f"--register {module}: another module is called {name!r} already; rename the file")
