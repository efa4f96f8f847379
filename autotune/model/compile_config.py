"""The loss and metrics that a model was trained with, as its file tells."""

import re
from collections.abc import Sequence

from autotune.model.keras_types import ConfigNode, KerasConfig
from autotune.task.losses import Loss, OutputLoss, joined

_ACCURACIES = re.compile(r"^(sparse_)?(categorical|binary)_accuracy$")
"""What Keras makes of "accuracy" once it knows the labels, and writes into a SavedModel."""


def compiled_loss(training: KerasConfig, outputs: Sequence[str] = ("",)) -> str | None:
    """The loss, as Loss.parse() takes it where it is known; else its name, or None where there is none.

    Args:
        training: the training or compile config of a file, as Keras 2 or Keras 3 wrote it; may be empty.
        outputs: the model's, by name. Of several it is as losses.of_outputs() takes it, unless all have the same.
    """
    node = training.get("loss")
    if len(outputs) == 1:
        return _loss(node)
    nodes, weights = _of_each(node, outputs), _of_each(training.get("loss_weights"), outputs)
    if not nodes:
        return _loss(node)
    losses = {name: _loss(each) for name, each in nodes.items()}
    return joined(
        {
            name: OutputLoss(loss, float(weights[name]) if isinstance(weights.get(name), int | float) else 1.0)
            for name, loss in losses.items()
            if loss is not None
        }
    )


def by_name(training: KerasConfig, outputs: Sequence[str]) -> KerasConfig:
    """The config with what it lists for several outputs under their names, which a file may have in another order.

    Args:
        training: as compiled_loss().
        outputs: the model's, by name, in the order in which it was made.
    """
    listed = {key: _of_each(training.get(key), outputs) for key in ("loss", "loss_weights", "metrics")}
    return training | {key: each for key, each in listed.items() if each}


def _of_each(node: ConfigNode, outputs: Sequence[str]) -> dict[str, ConfigNode]:
    """What a config says of each output, in a dictionary or a list of their order; empty where it is of all alike."""
    if isinstance(node, list) and len(node) == len(outputs):
        return dict(zip(outputs, node, strict=True))
    if isinstance(node, dict) and set(node) <= set(outputs):
        return dict(node)
    return {}


def _loss(node: ConfigNode) -> str | None:
    """One loss."""
    if isinstance(node, dict) and isinstance(node.get("config"), dict):
        config = node["config"]
        # Keras 2 names the function, Keras 3 the class alone; a name may be the user's own.
        written = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(node.get("class_name"))).lower()
        for name in (config.get("fn"), config.get("name"), written):
            loss = Loss.of_config(str(name), config)
            if loss is not None:
                return str(loss)
    return _identifier(node)


def compiled_metrics(training: KerasConfig, outputs: Sequence[str] = ("",)) -> tuple[str, ...]:
    """The names of the metrics, as Keras has them; "accuracy" for each kind of it. Of several outputs each has its
    output's name before it: OUTPUT:NAME.

    Args:
        training: as compiled_loss().
        outputs: likewise.
    """
    node = training.get("metrics")
    if len(outputs) == 1:
        return _metrics(node)
    return tuple(f"{output}:{name}" for output, each in _of_each(node, outputs).items() for name in _metrics(each))


def _metrics(node: ConfigNode) -> tuple[str, ...]:
    return tuple(_ACCURACIES.sub("accuracy", name) for name in map(_identifier, _flat(node)) if name)


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
