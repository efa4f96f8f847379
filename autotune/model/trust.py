"""What of the user's code a model file may bring into this process, and what it would bring.

Keras runs code that a file holds or names: the bytecode of Lambda layers, any importable class,
any function of TensorFlow. So a file's config is looked through before Keras sees it, and what
is not known to be a plain part of a network needs the user's word. SavedModel graphs and
.tflite files are no Python code; a graph that reads or writes files needs trust all the same.
"""

import builtins
import importlib
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from autotune.errors import UserError
from autotune.model.keras_types import ConfigNode, KerasConfig

_KERAS = re.compile(
    r"(tf_)?keras(\.src)?(\.(layers|engine|models|activations|initializers|regularizers|constraints|losses|metrics"
    r"|optimizers|dtype_policies|mixed_precision|quantizers|random|ops)(\.\w+)*)?"
)
"""Modules of Keras whose classes and functions make up networks; its utilities load and write files."""

_OF_APPLICATIONS = re.compile(
    r"(tf_)?keras\.src\.applications\.(convnext:(LayerScale|StochasticDepth)|inception_resnet_v2:CustomScaleLayer)"
)
"""Layers that Keras has beside its applications, whose functions have names of the same form, and read files."""

_CLASS = re.compile(r"[A-Z]\w*|__\w+__")
"""Keras takes a function for a class as well, and calls it with what the file says."""

_CODE = ("Lambda", "__lambda__", "TorchModuleWrapper", "JaxLayer", "FlaxLayer")
_FILES = ("TFSMLayer", "DenseFeatures", "SequenceFeatures")
_FUNCTIONS = ("TFOpLambda", "SlicingOpLambda")
_METHODS = ("ClassMethod", "InstanceMethod", "InstanceProperty", "TensorFlowOpLayer")

_COMPUTING = re.compile(
    r"(compat\.v1\.)?("
    r"(math|nn|linalg|signal|__operators__)\.\w+(\.\w+)*"
    r"|keras\.activations\.\w+"
    r"|image\.(resize|flip|crop|central_crop|pad|rgb_to|grayscale_to|per_image)\w*"
    r"|reduce_\w+|scatter_nd|gather|gather_nd"
    r"|broadcast_to|cast|clip_by_value|concat|constant|einsum|expand_dims|fill|identity|matmul|norm|one_hot|ones"
    r"|ones_like|pad|range|rank|repeat|reshape|reverse|roll|searchsorted|shape|size|slice|sort|split|squeeze|stack"
    r"|strided_slice|tensordot|tile|transpose|unstack|where|zeros|zeros_like"
    r")"
)
"""Names of TensorFlow's functions that do nothing but compute."""


@dataclass(frozen=True)
class Trust:
    """What a user allows.

    Attributes:
        code: whether code that a model file holds or names may run (--trust).
        modules: that register classes of models when they are imported (--custom-objects): dotted
            names, or paths of .py files.
    """

    code: bool = False
    modules: tuple[str, ...] = ()

    @classmethod
    def of(cls, code: bool, modules: Sequence[str]) -> Self:
        """What the user trusts, as it was given; files are found from any folder."""
        return cls(code, tuple(str(Path(name).resolve()) if name.endswith(".py") else name for name in modules))


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


def refused(config: ConfigNode, trust: Trust) -> str | None:
    """Why a model's config may not be opened, None where it may.

    Args:
        config: as Keras 3 or Keras 2 wrote it (JSON).
        trust: as trusted() gives it.
    """
    if trust.code:
        return None
    if isinstance(config, list):
        return next((reason for item in config if (reason := refused(item, trust))), None)
    if not isinstance(config, dict):
        return None
    return _refused_object(config, trust) or refused(list(config.values()), trust)


def _refused_object(node: KerasConfig, trust: Trust) -> str | None:
    if "class_name" not in node:
        return None
    kind, config = str(node["class_name"]), node.get("config")
    options = config if isinstance(config, dict) else {}
    label = f"layer {options['name']!r} ({kind})" if options.get("name") else kind
    if kind in _CODE:
        return f"{label} is code that opening the file would run; use built-in layers, or allow it with --trust"
    if kind in _FILES or isinstance(options.get("vocabulary"), str):
        return f"{label} reads other files; use layers that keep what they need, or allow it with --trust"
    symbol = str(options.get("function"))
    if kind in _METHODS or (kind in _FUNCTIONS and not _COMPUTING.fullmatch(symbol)):
        called = f"tf.{symbol}" if kind in _FUNCTIONS else "what the file names"
        return f"{label} calls {called}, which may do more than compute; use built-in layers, or allow it with --trust"
    name = str(config) if kind == "function" else kind
    if _is_keras(node, name) or _is_allowed(node, name, trust):
        return None
    hint = "name the module that registers it with --custom-objects MODULE, or allow any code with --trust"
    return f"{name if kind == 'function' else label} is a custom class; {hint}"


def _is_keras(node: KerasConfig, name: str) -> bool:
    """Whether a node's class or function can only be one of Keras's own."""
    module = str(node.get("module") or "keras")
    if node["class_name"] == "function":
        # Keras writes the functions that it knows by name as builtins, and looks among Python's too.
        own = not hasattr(builtins, name) if module == "builtins" else _KERAS.fullmatch(module) is not None
        return own and ">" not in name
    names = (name, str(node.get("registered_name") or name))
    if _OF_APPLICATIONS.fullmatch(f"{module}:{name}"):
        return names[1].removeprefix("Custom>") == name
    return _KERAS.fullmatch(module) is not None and all(map(_CLASS.fullmatch, names))


def _is_allowed(node: KerasConfig, name: str, trust: Trust) -> bool:
    """Whether the user has named the module that a node's class or function is from."""
    is_function = node["class_name"] == "function"
    # What is registered is "PACKAGE>NAME"; where that stands depends on Keras's version.
    label = name if is_function or ">" in name else str(node.get("registered_name"))
    plain = is_function or _CLASS.fullmatch(name.split(">")[-1]) is not None
    registered = plain and ">" in label and _is_registered(label)
    return registered or str(node.get("module")) in map(_module_name, trust.modules)


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
        imported = importlib.import_module(name)
    except (Exception, SystemExit) as error:  # the user's code may fail in any way
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise UserError(f"--custom-objects {module}: can't be imported: {reason}") from error
    if module.endswith(".py") and Path(imported.__file__ or "").resolve() != path:
        raise UserError(f"--custom-objects {module}: another module is called {name!r} already; rename the file")
