"""A model with int8 arithmetic simulated: TFMOT's schemes, mended where they would not keep their word.

Ranges of activations begin with the float model's on calibration data. TFMOT's begin at -6 … 6 and move by a
thousandth a step, so that what is of another scale comes out constant after a short training.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from autotune.compress.keras_preprocessing import joined, split
from autotune.compress.training import KERNELS, compressible, wrap_layers
from autotune.errors import Infeasible
from autotune.model.keras_facts import layers_of
from autotune.model.keras_types import KerasLayer, KerasModel, KerasObject, KerasTensor, KerasVariable
from autotune.task.data import Array
from autotune.task.data.fields import nested

BATCH = 100
"""Calibration samples that are run at once."""


def quantization_aware(model: KerasModel, *, pruned: bool, clustered: bool, apart: bool) -> KerasModel:
    """The model with fake-quantization around the layers that TFMOT can quantize.

    Args:
        model: a tf_keras model, whose layers are shared.
        pruned: whether its weights have zeros that are to stay.
        clustered: whether they share values that are to be shared.
        apart: whether what is before the first weights stays float.

    Raises:
        Infeasible: TFMOT can't quantize a layer's weights, or refuses the model.
    """
    if not apart:
        return _fake_quantized(model, pruned=pruned, clustered=clustered)
    before, rest = split(model)
    return joined(before, _fake_quantized(rest, pruned=pruned, clustered=clustered))


def begin_ranges(model: KerasModel, calibration: Array) -> None:
    """Sets the range of each activation to that of the float model on calibration data, 0 included.

    Args:
        model: as quantization_aware() gives it.
        calibration: inputs (m, *input shape), as it takes them; of several a field for each.
    """
    with _observed() as ranges:
        for start in range(0, len(calibration), BATCH):
            model(nested(calibration[start : start + BATCH]), training=False)
    for seen in ranges.values():
        if seen.low < seen.high:  # what is always 0 has no range to begin with
            seen.least.assign(seen.low)
            seen.greatest.assign(seen.high)


def _fake_quantized(model: KerasModel, *, pruned: bool, clustered: bool) -> KerasModel:
    import tensorflow_model_optimization as tfmot
    from tensorflow_model_optimization.python.core.quantization.keras import default_8bit

    from autotune.compress.functions import FUNCTIONS, Function, computes
    from autotune.compress.layout import inputs_in_order

    quantize = tfmot.quantization.keras
    if clustered:  # the quantizer overwrites the kernel; a regularizer's step would blur it again
        for layer in compressible(model, ()):
            setattr(layer, f"{KERNELS[type(layer).__name__]}_regularizer", None)
    configs = default_8bit.default_8bit_quantize_configs
    usual = default_8bit.default_8bit_quantize_registry.Default8BitQuantizeRegistry()
    scheme = _scheme(usual, pruned=pruned, clustered=clustered)

    def own(layer: KerasLayer) -> bool:
        """Whether TFMOT or our layout knows what to do."""
        if type(layer).__name__ == "Activation" and getattr(layer.activation, "__name__", "") not in _ACTIVATIONS:
            return False
        return usual.supports(layer) or type(layer).__name__.startswith("SeparableConv") or _folds(layer, clustered)

    def config(layer: KerasLayer) -> KerasObject:
        """None for what TFMOT does by itself. Of others, such as Rescaling, the outputs: were they float, so would be
        the layer behind them. Nothing of what only moves values: they would be of another scale by a rounding.
        """
        if own(layer):
            return None
        moves = getattr(layer, "moves", False)  # tflite_operation.Operation
        return configs.NoOpQuantizeConfig() if moves else configs.Default8BitOutputQuantizeConfig()

    refused = [layer for layer in layers_of(model) if _is_treated(layer) and not own(layer)]
    if refused:
        raise Infeasible(f"TFMOT can't quantize layer {refused[0].name!r} ({type(refused[0]).__name__})")
    computing = list(filter(computes, layers_of(model)))
    if computing:
        name = computing[0].name
        raise Infeasible(
            f"TFMOT can't quantize what {name!r} (TFOpLambda) gives; use a layer in its place, such as Add"
        )
    annotated = wrap_layers(
        model,
        lambda layer: (
            own(layer)
            or not (layer.weights or type(layer).__name__ in FUNCTIONS)
            or type(layer).__name__ in _OUTPUT_ONLY
        ),
        lambda layer: quantize.quantize_annotate_layer(layer, config(layer)),
    )
    _pass_names(model)
    try:
        known = {"Default8BitOutputQuantizeConfig": configs.Default8BitOutputQuantizeConfig, "Function": Function}
        with inputs_in_order(), quantize.quantize_scope(known):
            return quantize.quantize_apply(annotated, scheme)
    except (ValueError, RuntimeError, TypeError) as error:
        raise Infeasible(f"TFMOT can't quantize this model: {str(error).splitlines()[0]}") from error


_ACTIVATIONS = ("linear", "relu", "relu6", "softmax", "sigmoid", "tanh", "gelu", "swish")
"""Layers of these are quantized by TFMOT itself."""

_OUTPUT_ONLY = (
    *("BatchNormalization", "LayerNormalization", "Normalization", "PReLU"),
    *("Bidirectional", "Embedding", "GRU", "LSTM", "SimpleRNN"),
)
"""Layers with weights of which the output alone is quantized."""


def _pass_names(model: KerasModel) -> None:
    """Has Keras number the layers that TFMOT makes of separable convolutions from behind those of the model."""
    import tf_keras

    def number(name: str, usual: str) -> int:
        match = re.fullmatch(rf"{usual}(_(\d+))?", name)
        return int(match[2] or 0) if match else -1

    for usual, kind in (("conv2d", tf_keras.layers.Conv2D), ("depthwise_conv2d", tf_keras.layers.DepthwiseConv2D)):
        last = max(number(layer.name, usual) for layer in layers_of(model))
        while last >= 0 and number(kind(1, 1).name, usual) < last:
            pass


def _is_treated(layer: KerasLayer) -> bool:
    """Whether its weights are expected to be int8 in the file: of dense layers and convolutions."""
    kind = type(layer).__name__
    return kind in KERNELS or (kind.startswith(("Conv", "DepthwiseConv")) and "LSTM" not in kind)


def _folds(layer: KerasLayer, clustered: bool) -> bool:
    """Whether this layer, a batch normalisation, is folded into the only one before it.

    By LiteRT's converter into a convolution, by our layout into a dense layer. There each output channel gets a
    factor of its own, with which clusters of the whole layer would be lost.
    """
    if type(layer).__name__ != "BatchNormalization" or len(layer.inbound_nodes) != 1:
        return False
    before = layer.inbound_nodes[0].inbound_layers
    kinds = ("Conv2D", "DepthwiseConv2D") if clustered else ("Conv2D", "DepthwiseConv2D", "Dense")
    linear = getattr(getattr(before, "activation", None), "__name__", "") == "linear"
    return type(before).__name__ in kinds and linear and len(before.outbound_nodes) == 1


def _scheme(usual: KerasObject, *, pruned: bool, clustered: bool) -> KerasObject:
    """TFMOT's scheme that keeps zeros and clusters, with our layout."""
    import tensorflow_model_optimization as tfmot
    from tensorflow_model_optimization.python.core.quantization.keras import default_8bit

    from autotune.compress.layout import Layout

    combine = tfmot.experimental.combine
    if clustered:
        scheme = combine.Default8BitClusterPreserveQuantizeScheme(preserve_sparsity=pruned)
    elif pruned:
        scheme = combine.Default8BitPrunePreserveQuantizeScheme()
    else:
        scheme = default_8bit.default_8bit_quantize_scheme.Default8BitQuantizeScheme()
    # A collaborative registry claims any layer without weights, such as Rescaling, and then fails on it.
    registry = scheme.get_quantize_registry()
    claims = registry.supports
    registry.supports = lambda layer: claims(layer) and usual.supports(layer)
    scheme.get_quantize_registry = lambda: registry
    layout = Layout(scheme.get_layout_transformer())
    scheme.get_layout_transformer = lambda: layout
    return scheme


@dataclass
class _Range:
    """TFMOT's variables of an activation's range, and the range that was seen, 0 included."""

    least: KerasVariable
    greatest: KerasVariable
    low: float = 0.0
    high: float = 0.0

    def see(self, values: Array) -> None:
        self.low = min(self.low, float(values.min()))
        self.high = max(self.high, float(values.max()))


@contextmanager
def _observed() -> Iterator[dict[int, _Range]]:
    """TFMOT's fake quantization lets everything through, in this process, and ranges of activations are noted."""
    from tensorflow_model_optimization.python.core.quantization.keras import quant_ops

    ranges: dict[int, _Range] = {}

    def observe(inputs: KerasTensor, min_var: KerasVariable, max_var: KerasVariable, **_: object) -> KerasTensor:
        ranges.setdefault(id(min_var), _Range(min_var, max_var)).see(inputs.numpy())
        return inputs

    def let_through(inputs: KerasTensor, *_: object, **__: object) -> KerasTensor:
        return inputs

    replaced = {"MovingAvgQuantize": observe, "LastValueQuantize": let_through, "AllValuesQuantize": let_through}
    theirs = {name: getattr(quant_ops, name) for name in replaced}
    try:
        for name, function in replaced.items():
            setattr(quant_ops, name, function)
        yield ranges
    finally:
        for name, function in theirs.items():
            setattr(quant_ops, name, function)
