"""How a model is laid out before TFMOT quantizes it. Imports TFMOT: for workers.

TFMOT's own layout leaves weights float in three places, see docs/decisions/023.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import numpy as np
from tensorflow_model_optimization.python.core.quantization.keras import quantize_aware_activation, utils
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import default_8bit_quantize_configs
from tensorflow_model_optimization.python.core.quantization.keras.graph_transformations import (
    model_transformer,
    transforms,
)

from autotune.model.keras_types import KerasConfig, KerasLayer, KerasModel, KerasObject
from autotune.task.data import Array

_WEIGHTED = "Conv2D|DepthwiseConv2D|Dense"
_LINEAR = {"activation": "linear"}
_SUPPORTED = ("linear", "relu", "softmax", "sigmoid", "tanh", "gelu")
"""Activations of layers with weights that TFMOT quantizes as LiteRT computes them."""

_OTHERS = rf"(?!({'|'.join(_SUPPORTED)})$|.*NoOpActivation).+"

_Quantized = dict[str, dict[str, KerasObject]]
"""By a layer's name its "quantize_config", None for the usual one."""


class Layout:
    """TFMOT's layout with ours around it, as a scheme gives one."""

    def __init__(self, theirs: KerasObject) -> None:
        self._theirs = theirs

    def apply(self, model: KerasModel, layers: _Quantized) -> tuple[KerasModel, _Quantized]:
        """The model laid out, and what is to be quantized of it.

        Args:
            model: a tf_keras model without annotations.
            layers: those to be quantized.
        """
        ours = model_transformer.ModelTransformer(
            model, [FoldIntoDense(), LetThrough(), TakeOff()], set(layers), layers
        )
        model, layers = self._theirs.apply(*ours.transform())
        for layer in model.layers:
            config = layers.get(layer.name, {}).get("quantize_config")
            if type(layer).__name__ in _WEIGHTED.split("|") and (_quantizes_nothing(config) or _is_joined(layer)):
                layers[layer.name]["quantize_config"] = None
        return model, layers


class FoldIntoDense(transforms.Transform):  # type: ignore[misc]  # TFMOT has no types
    """Makes one dense layer of one and the batch normalisation behind it.

    TFMOT leaves that to LiteRT's converter, as for convolutions, which multiplies quantized weights back into float.
    """

    def pattern(self) -> KerasObject:
        return transforms.LayerPattern("BatchNormalization", inputs=[transforms.LayerPattern("Dense", _LINEAR)])

    def replacement(self, match_layer: KerasObject) -> KerasObject:
        (dense,) = match_layer.input_layers
        if match_layer.metadata.get("quantize_config") is not None:
            return match_layer
        dense.weights = _folded(dense.weights, match_layer.weights, match_layer.layer["config"]["epsilon"])
        dense.layer["config"]["use_bias"] = True
        return dense


class LetThrough(transforms.Transform):  # type: ignore[misc]  # TFMOT has no types
    """Has a layer's outputs quantized once, behind the ReLU that LiteRT makes a part of it.

    TFMOT does so by quantizing nothing of the layer, its weights among it.
    """

    def pattern(self) -> KerasObject:
        return transforms.LayerPattern("ReLU|Activation", inputs=[transforms.LayerPattern(_WEIGHTED, _LINEAR)])

    def replacement(self, match_layer: KerasObject) -> KerasObject:
        (weighted,) = match_layer.input_layers
        if match_layer.layer["class_name"] == "ReLU" or match_layer.layer["config"]["activation"] == "relu":
            nothing = quantize_aware_activation.NoOpActivation()
            weighted.layer["config"]["activation"] = utils.serialize_activation(nothing, use_legacy_format=True)
        return match_layer

    def custom_objects(self) -> dict[str, type]:
        return {"NoOpActivation": quantize_aware_activation.NoOpActivation}


class TakeOff(transforms.Transform):  # type: ignore[misc]  # TFMOT has no types
    """Makes a layer of its own of an activation that LiteRT has no fused form of.

    TFMOT quantizes behind swish alone, and a layer whose sums are float keeps float weights; others it refuses.
    """

    def pattern(self) -> KerasObject:
        return transforms.LayerPattern(_WEIGHTED, {"activation": _OTHERS})

    def replacement(self, match_layer: KerasObject) -> KerasObject:
        name = f"{match_layer.layer['config']['name']}_activation"
        activation = match_layer.layer["config"]["activation"]
        activation = "swish" if activation == "silu" else activation
        config = {"name": name, "trainable": True, "dtype": "float32", "activation": activation}
        match_layer.layer["config"]["activation"] = "linear"
        behind = {"class_name": "Activation", "name": name, "config": config}
        quantized = {"quantize_config": default_8bit_quantize_configs.Default8BitOutputQuantizeConfig()}
        return transforms.LayerNode(behind, input_layers=[match_layer], metadata=quantized)


@contextmanager
def inputs_in_order() -> Iterator[None]:
    """Has TFMOT leave the inputs of a concatenation in their order, in this process: it takes them in that in which
    the model lists its layers, and so gives the layer behind other values than it was trained on.
    """

    def layers(self: KerasObject, names: Collection[str]) -> list[KerasConfig]:
        if not self._is_functional_model(self.model):  # a chain, of which the first of all is asked for
            return list(theirs(self, names))
        listed = {layer["config"]["name"]: layer for layer in self._config["layers"]}
        return [listed[name] for name in dict.fromkeys(names) if name in listed]

    kind = model_transformer.ModelTransformer
    theirs = kind._get_layers
    try:
        kind._get_layers = layers
        yield
    finally:
        kind._get_layers = theirs


def _is_joined(layer: KerasLayer) -> bool:
    """Whether it is before a concatenation, where TFMOT quantizes it as if it had no zeros or clusters to keep."""
    return any(type(node.outbound_layer).__name__ == "Concatenate" for node in layer.outbound_nodes)


def _quantizes_nothing(config: KerasObject) -> bool:
    return isinstance(config, default_8bit_quantize_configs.NoOpQuantizeConfig)


def _folded(dense: dict[str, Array], normalization: dict[str, Array], epsilon: float) -> dict[str, Array]:
    """A dense layer's weights with those of the batch normalisation behind it: kernel (inputs, units) and bias."""
    factor = normalization.get("gamma:0", 1.0) / np.sqrt(normalization["moving_variance:0"] + epsilon)
    bias = (dense.get("bias:0", 0.0) - normalization["moving_mean:0"]) * factor + normalization.get("beta:0", 0.0)
    return {"kernel:0": dense["kernel:0"] * factor, "bias:0": bias}
