"""What an output's values are: found behind whatever only moves, chooses or joins them."""

import pytest

from autotune.tflite.activation import activation

CHAINS = [
    (["DENSE", "LOGISTIC"], "sigmoid"),
    (["LOGISTIC", "RESHAPE"], "sigmoid"),
    (["Sigmoid", "Reshape", "Cast", "Identity"], "sigmoid"),
    (["SOFTMAX", "QUANTIZE", "TRANSPOSE", "DEQUANTIZE"], "softmax"),
    (["Softmax", "StridedSlice"], "sigmoid"),
    (["SOFTMAX", "SPLIT"], "sigmoid"),
    (["LOGISTIC", "FULLY_CONNECTED", "RESHAPE"], "linear"),
    (["SOFTMAX", "LOG"], "linear"),
    (["RESHAPE"], "linear"),
    ([], "linear"),
]


@pytest.mark.parametrize(("operators", "expected"), CHAINS)
def test_what_only_moves_values_is_seen_through(operators: list[str], expected: str) -> None:
    """Of a chain of operators, LiteRT's names or TensorFlow's; tensor 0 is the model's input."""
    assert (
        activation(len(operators), lambda tensor: (operators[tensor - 1], [tensor - 1]) if tensor else None) == expected
    )


@pytest.mark.parametrize(("second", "expected"), [("LOGISTIC", "sigmoid"), ("SOFTMAX", "sigmoid"), ("TANH", "linear")])
def test_several_heads_side_by_side(second: str, expected: str) -> None:
    """Are probabilities where all of them are; their rows no longer sum to one."""
    makers = {"all": ("CONCATENATION", ["a", "b"]), "a": ("SOFTMAX", ["x"]), "b": (second, ["x"])}
    assert activation("all", makers.get) == expected


def test_each_tensor_is_looked_at_once() -> None:
    """However many ways lead to it, and however long they are: files are made up, too."""
    steps = 2000
    makers = {step: ("CONCATENATION", [step - 1, step - 1]) for step in range(2, steps)} | {1: ("SOFTMAX", [0])}
    looked_at: list[int] = []

    def made_by(tensor: int) -> tuple[str, list[int]] | None:
        looked_at.append(tensor)
        return makers.get(tensor)

    assert activation(steps - 1, made_by) == "sigmoid"
    assert sorted(looked_at) == list(range(1, steps))
