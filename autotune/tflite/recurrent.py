"""LiteRT's recurrent operators: whole layers in one operator, weights and state in it."""

from collections.abc import Collection, Iterable

from autotune.tflite.facts import LayerKind

RECURRENT = (
    "LSTM",
    "UNIDIRECTIONAL_SEQUENCE_LSTM",
    "BIDIRECTIONAL_SEQUENCE_LSTM",
    "RNN",
    "UNIDIRECTIONAL_SEQUENCE_RNN",
    "BIDIRECTIONAL_SEQUENCE_RNN",
    "SVDF",
)


def left_float(layers: Collection[LayerKind]) -> str:
    """What of them stays float in any file: LiteRT's quantizer has no scheme for them.

    Args:
        layers: of a file.

    Returns:
        A line, "" where there is nothing to say.
    """
    float_ones = [layer for layer in layers if layer["operator"] in RECURRENT and layer["dtype"] == "float32"]
    if not float_ones:
        return ""
    kinds = ", ".join(sorted({layer["operator"] for layer in float_ones}))
    share = _weights(float_ones) / _weights(layers)
    return f"LiteRT's quantizer leaves {kinds} float: {share:.0%} of the weights"


def _weights(layers: Iterable[LayerKind]) -> int:
    return sum(int(layer["weights"]) for layer in layers)
