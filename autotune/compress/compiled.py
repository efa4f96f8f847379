"""The loss and metrics that a model was trained with, as its file tells."""

import re
from typing import Any

_ACCURACIES = re.compile(r"^(sparse_)?(categorical|binary)_accuracy$")
"""What Keras makes of "accuracy" once it knows the labels, and writes into a SavedModel."""


def compiled(training: dict[str, Any]) -> dict[str, Any]:
    """The facts compiled_loss (None where there is none) and compiled_metrics (names, may be empty).

    Args:
        training: the training or compile config of a file, as Keras 2 or Keras 3 wrote it; may be empty.
    """
    return {
        "compiled_loss": _identifier(training.get("loss")),
        "compiled_metrics": [
            _ACCURACIES.sub("accuracy", found) for found in map(_identifier, _flat(training.get("metrics"))) if found
        ],
    }


def _flat(node: Any) -> list[Any]:
    if isinstance(node, list):
        return [leaf for item in node for leaf in _flat(item)]
    return [] if node is None else [node]


def _identifier(node: Any) -> str | None:
    """The name of a loss or metric in a compile config, with ":logits" where it takes logits."""
    if isinstance(node, str):
        return node
    if isinstance(node, dict) and isinstance(node.get("config"), dict):
        config = node["config"]
        name = str(config.get("fn") or config.get("name") or node.get("class_name"))
        return f"{name}:logits" if config.get("from_logits") else name
    return None
