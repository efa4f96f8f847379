"""The loss and metrics that a model was trained with, as its file tells."""

import re

from autotune.model.keras_types import ConfigNode, KerasConfig
from autotune.task.losses import Loss

_ACCURACIES = re.compile(r"^(sparse_)?(categorical|binary)_accuracy$")
"""What Keras makes of "accuracy" once it knows the labels, and writes into a SavedModel."""


def compiled_loss(training: KerasConfig) -> str | None:
    """The loss, as Loss.parse() takes it where it is known; else its name, or None where there is none.

    Args:
        training: the training or compile config of a file, as Keras 2 or Keras 3 wrote it; may be empty.
    """
    node = training.get("loss")
    if isinstance(node, dict) and isinstance(node.get("config"), dict):
        config = node["config"]
        # Keras 2 names the function, Keras 3 the class alone; a name may be the user's own.
        written = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(node.get("class_name"))).lower()
        for name in (config.get("fn"), config.get("name"), written):
            loss = Loss.of_config(str(name), config)
            if loss is not None:
                return str(loss)
    return _identifier(node)


def compiled_metrics(training: KerasConfig) -> tuple[str, ...]:
    """The names of the metrics, as Keras has them; "accuracy" for each kind of it.

    Args:
        training: as compiled_loss().
    """
    names = map(_identifier, _flat(training.get("metrics")))
    return tuple(_ACCURACIES.sub("accuracy", name) for name in names if name)


def _flat(node: ConfigNode) -> list[ConfigNode]:
    if isinstance(node, list):
        return [leaf for item in node for leaf in _flat(item)]
    return [] if node is None else [node]


def _identifier(node: ConfigNode) -> str | None:
    """The name of a loss or metric of any kind in a compile config, with ":logits" where it takes logits."""
    if isinstance(node, str):
        return node
    if isinstance(node, dict) and isinstance(node.get("config"), dict):
        config = node["config"]
        name = str(config.get("fn") or config.get("name") or node.get("class_name"))
        return f"{name}:logits" if config.get("from_logits") else name
    return None
