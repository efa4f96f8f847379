"""What each kind of layer does with channels, which are the last axis of what it takes and gives."""

from autotune.compress.channels.graph import Call

IN, OUT, MIDDLE = "in", "out", "middle"
"""Axes of weights: channels that a layer takes, that it gives, and those between the two steps of a separable one."""

Axes = dict[str, tuple[str | None, ...]]
"""By a weight's name what its last axes are; None for others than channels."""

_BIAS: Axes = {"bias": (OUT,)}
_CONVOLUTION: Axes = {"kernel": (IN, OUT)} | _BIAS
_TRANSPOSED: Axes = {"kernel": (OUT, IN)} | _BIAS
_SEPARABLE: Axes = {"depthwise_kernel": (IN, None), "pointwise_kernel": (MIDDLE, OUT)} | _BIAS
_DEPTHWISE: Axes = {"depthwise_kernel": (IN, None)} | _BIAS
_NORMALISATION: Axes = dict.fromkeys(("gamma", "beta", "moving_mean", "moving_variance"), (OUT,))

AXES: dict[str, Axes] = {
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D", "Dense"), _CONVOLUTION),
    **dict.fromkeys(("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"), _TRANSPOSED),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), _SEPARABLE),
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D"), _DEPTHWISE),
    "BatchNormalization": _NORMALISATION,
    "PReLU": {"alpha": (OUT,)},
}
"""By the kind of a layer whose weights can be cut."""

WIDTHS = {
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D", "SeparableConv1D", "SeparableConv2D"), "filters"),
    **dict.fromkeys(("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"), "filters"),
    "Dense": "units",
}
"""The kinds that sum over all channels that they take, and make their own; what a config calls the number."""

DEPTHWISE = frozenset(("DepthwiseConv1D", "DepthwiseConv2D"))
ADDING = frozenset(("Add", "Subtract", "Average", "Maximum", "Minimum"))
MERGING = ADDING | {"Multiply"}
RESHAPING = frozenset(("Flatten", "Reshape"))

_POOLS = tuple(
    f"{kind}Pooling{axes}D" for kind in ("Max", "Average", "GlobalMax", "GlobalAverage") for axes in (1, 2, 3)
)
_SPATIAL = tuple(f"{kind}{axes}D" for kind in ("ZeroPadding", "Cropping", "UpSampling") for axes in (1, 2, 3))
_RANDOM = ("Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "AlphaDropout")
_ACTIVATIONS = ("Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "ThresholdedReLU")
PASSING = frozenset(
    (*_POOLS, *_SPATIAL, *_RANDOM, *_ACTIVATIONS, "BatchNormalization", "ActivityRegularization", "RepeatVector")
)
"""Each channel that comes out is made of the same one that came in."""

_OPERATIONS = {
    **dict.fromkeys(("math.add", "__operators__.add", "math.subtract", "math.maximum", "math.minimum"), "Add"),
    **dict.fromkeys(("math.multiply", "math.divide", "math.truediv"), "Multiply"),
    **dict.fromkeys(("nn.relu", "nn.relu6", "nn.silu", "math.sigmoid", "math.tanh", "nn.tanh"), "Activation"),
}
"""TensorFlow's functions in a Keras model, as the kind of layer that does the same."""

_BY_VALUE = frozenset(
    ("linear", "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "mish", "swish", "silu", "softplus", "softsign")
) | frozenset(("sigmoid", "hard_sigmoid", "log_sigmoid", "hard_silu", "hard_swish", "tanh", "hard_tanh", "exponential"))
"""Activations that treat each value alone."""


def kind_of(call: Call) -> str:
    """The kind of a call's layer: its class, of a function of TensorFlow and numbers that of a layer alike."""
    if call.kind == "TFOpLambda" and all(isinstance(each, str | int | float) for each in call.constants):
        return _OPERATIONS.get(call.layer.get_config()["function"], call.kind)
    return call.kind


def obstacle(call: Call) -> str | None:
    """Why channels can't be followed through a call; None where they can."""
    layer, kind, rank = call.layer, kind_of(call), len(call.output_shape) + 1
    label = f"layer {layer.name!r} ({call.kind})"
    if getattr(layer, "data_format", None) == "channels_first":
        return f"{label} has its channels first"
    if getattr(layer, "groups", 1) > 1:
        return f"{label} is a grouped convolution"
    if kind == "BatchNormalization" and list(layer.axis) != [rank - 1]:
        return f"{label} is not over channels"
    if kind == "Rescaling":
        scalar = isinstance(layer.scale, int | float) and isinstance(layer.offset, int | float)
        return None if scalar else f"{label} has a factor for each channel"
    if kind == "Permute":
        return None if layer.dims[-1] == rank - 1 else f"{label} moves the channels"
    if kind in AXES or kind in PASSING | MERGING | RESHAPING | {"Concatenate"}:
        return None
    return f"channels can't be followed through {label}"


def mixes(call: Call) -> str | None:
    """Why what a call gives is not of each channel alone, as after a softmax; None where it is."""
    activation = getattr(call.layer, "activation", None)
    name = getattr(activation, "__name__", type(activation).__name__)
    if activation is None or name in _BY_VALUE | PASSING:
        return None
    return f"the activation {name} of layer {call.layer.name!r} is not of each channel alone"
