"""Quantization-aware training (Jacob et al., arXiv:1712.05877), keeping zeros and clusters.

After pruning or clustering the collaborative forms are used (PQAT, CQAT, PCQAT): plain QAT
silently undoes both.

What training gives are the weights that it began with, which say where zeros and clusters are, and
behind them all variables of the quantization-aware model: whoever opens them gets that model as it was.
"""

from collections.abc import Mapping
from typing import Any

from autotune.compress.flatbuffer import named
from autotune.compress.load import open_base
from autotune.compress.stage import Artifact, TrainingData, Weights, pack, unpack
from autotune.compress.training import KERNELS, compressible, fine_tune, settings, wrap_layers
from autotune.config import Recipe
from autotune.errors import Infeasible
from autotune.model.keras_facts import layers_of


class QuantizationAware:
    """Trains with int8 arithmetic simulated in the forward pass."""

    name = "qat"
    version = 4
    trains = True
    continues = True

    def parameters(self, recipe: Recipe) -> dict[str, Any] | None:
        if recipe.quantize != "qat":
            return None
        return {"pruned": recipe.prune > 0, "clustered": recipe.cluster > 0, **settings(recipe)}

    def build(self, base: bytes, parent: bytes | None, parameters: Mapping[str, Any], data: TrainingData) -> Artifact:
        if "continues" in parameters:
            assert parent is not None  # the shorter training
            begun, model = reopened(base, parent, parameters)
        else:
            model = open_base(base, parent)
            if any(layer.weights and named(layer.name, data.excluded) for layer in layers_of(model)):
                raise Infeasible("layers that are excluded would be quantized all the same, by LiteRT's converter")
            begun = model.get_weights()
            model = _quantization_aware(model, pruned=parameters["pruned"], clustered=parameters["clustered"])
        facts = fine_tune(model, base, parameters, data, [])
        return Artifact(pack([*begun, *model.get_weights()]), facts)


def reopened(base: bytes, trained: bytes, parameters: Mapping[str, Any]) -> tuple[Weights, Any]:
    """What quantization-aware training gave.

    Args:
        base: the original model.
        trained: the training's artifact.
        parameters: whether weights were pruned and clustered before.

    Returns:
        The weights that it began with, and the quantization-aware model.
    """
    model = open_base(base)
    weights = unpack(trained)
    begun = weights[: len(model.weights)]
    model.set_weights(begun)
    model = _quantization_aware(model, pruned=parameters["pruned"], clustered=parameters["clustered"])
    model.set_weights(weights[len(begun) :])
    return begun, model


def _quantization_aware(model: Any, *, pruned: bool, clustered: bool) -> Any:
    """The model with fake-quantization around the layers that TFMOT can quantize.

    Raises:
        Infeasible: TFMOT refuses the model.
    """
    import tensorflow_model_optimization as tfmot
    from tensorflow_model_optimization.python.core.quantization.keras import default_8bit

    quantize = tfmot.quantization.keras
    combine = tfmot.experimental.combine
    if clustered:
        scheme = combine.Default8BitClusterPreserveQuantizeScheme(preserve_sparsity=pruned)
    elif pruned:
        scheme = combine.Default8BitPrunePreserveQuantizeScheme()
    else:
        scheme = default_8bit.default_8bit_quantize_scheme.Default8BitQuantizeScheme()
    if clustered:  # the quantizer overwrites the kernel; a regularizer's step would blur it again
        for layer in compressible(model, ()):
            setattr(layer, f"{KERNELS[type(layer).__name__]}_regularizer", None)
    # For layers such as Rescaling: were their outputs float, so would be the layer behind them.
    output_only = default_8bit.default_8bit_quantize_configs.Default8BitOutputQuantizeConfig
    known = default_8bit.default_8bit_quantize_registry.Default8BitQuantizeRegistry()
    _mend_registry(scheme, known)

    def own(layer: Any) -> bool:
        """Whether TFMOT knows by itself what to do."""
        return known.supports(layer) or _folds(layer)

    annotated = wrap_layers(
        model,
        lambda layer: own(layer) or not layer.weights or type(layer).__name__ == "BatchNormalization",
        lambda layer: quantize.quantize_annotate_layer(layer, None if own(layer) else output_only()),
    )
    try:
        with quantize.quantize_scope({output_only.__name__: output_only}):
            return quantize.quantize_apply(annotated, scheme)
    except (ValueError, RuntimeError) as error:
        raise Infeasible(f"TFMOT can't quantize this model: {str(error).splitlines()[0]}") from error


def _folds(layer: Any) -> bool:
    """Whether TFMOT folds this layer, a batch normalisation, into the only one before it."""
    if type(layer).__name__ != "BatchNormalization":
        return False
    before = layer.inbound_nodes[0].inbound_layers
    return type(before).__name__ in ("Conv2D", "DepthwiseConv2D", "Dense") and len(before.outbound_nodes) == 1


def _mend_registry(scheme: Any, known: Any) -> None:
    """Makes a collaborative scheme say that it does not support what the default one does not.

    Its registry claims any layer without weights, such as Rescaling, and then fails on it.
    """
    registry = scheme.get_quantize_registry()
    claims = registry.supports
    registry.supports = lambda layer: claims(layer) and known.supports(layer)
    scheme.get_quantize_registry = lambda: registry
