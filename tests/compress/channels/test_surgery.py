"""A model without channels computes what it would if nobody looked at them."""

from typing import Any

import numpy as np
import pytest

from autotune.compress.channels.groups import Groups, groups_of
from autotune.compress.channels.kinds import AXES, IN, WIDTHS, obstacle
from autotune.compress.channels.macs import in_all, terms, total
from autotune.compress.channels.surgery import without
from autotune.compress.convert import converted
from autotune.model.load import open_base
from autotune.tflite.operators import operators
from tests.compress.channels.models import ZOO, K, as_base, made, samples, tf_keras
from tests.compress.running import run


def odd(groups: Groups) -> dict[str, list[int]]:
    """Of each group every second channel, and the first."""
    return {group.name: [0, *range(1, group.width, 2)] for group in groups.groups}


def unseen(groups: Groups, keep: dict[str, list[int]]) -> None:
    """Sets weights to 0 that read channels which do not stay, in place."""
    removed = groups.removed(keep)
    for call in groups.calls:
        for name, axes in AXES.get(call.kind, {}).items() if call.kind in WIDTHS and obstacle(call) is None else ():
            if IN in axes:
                variable = getattr(call.layer, name)
                weight = np.moveaxis(variable.numpy(), len(variable.shape) - len(axes) + axes.index(IN), 0)
                weight[np.isin(groups.taken(call), removed)] = 0
                variable.assign(np.moveaxis(weight, 0, len(variable.shape) - len(axes) + axes.index(IN)))


@pytest.mark.parametrize("case", ZOO)
def test_computes_the_same_without_what_nobody_reads(case: str) -> None:
    """Every kind of layer is sliced where it must be, and the order of what stays is kept."""
    model = made(ZOO[case], activation="linear")
    groups = groups_of(model)
    keep = odd(groups)
    unseen(groups, keep)
    smaller = without(groups, groups.removed(keep), {})
    expected = model.predict(samples(), verbose=0)
    assert np.ptp(expected, axis=0).min() > 1e-3
    assert np.allclose(smaller.predict(samples(), verbose=0), expected, atol=1e-5)
    assert smaller.count_params() < model.count_params()
    assert [layer.name for layer in smaller.layers] == [layer.name for layer in model.layers]
    assert smaller.input_names == model.input_names


@pytest.mark.parametrize("case", sorted(ZOO.keys() - {"sequence"}))  # the file makes batches of what is dilated
def test_multiply_accumulates_are_those_of_the_file(case: str) -> None:
    """Of the whole model, of the smaller one, and of the smaller one by the whole one's terms."""
    model = made(ZOO[case])
    groups = groups_of(model)
    keep = odd(groups)
    smaller = without(groups, groups.removed(keep), {})
    for each in (groups, groups_of(smaller)):
        assert in_all(each) == sum(row.macs for row in operators(converted(each.model)))
    widths = {name: len(stays) for name, stays in keep.items()}
    assert round(total(terms(groups), widths)) == in_all(groups_of(smaller))


def test_initializers_are_no_matter() -> None:
    """Though they hold the weights of a layer that takes fewer channels, and gives as many as before."""

    def body(x: Any) -> Any:
        x = K.Dense(8, name="hidden")(K.Flatten()(x))
        held = K.Dense(5, kernel_initializer=tf_keras.initializers.Constant(np.ones((8, 5))), name="held")
        return K.LayerNormalization()(held(x))

    groups = groups_of(made(body))
    smaller = without(groups, groups.removed({"hidden": [1, 2, 5]}), {})
    kernel = groups.model.get_layer("held").get_weights()[0]
    assert np.array_equal(smaller.get_layer("held").get_weights()[0], kernel[[1, 2, 5]])


@pytest.mark.parametrize("case", ["residual", "flat"])
def test_is_saved_and_opened(case: str) -> None:
    """In the form that stages work on; and it converts."""
    groups = groups_of(made(ZOO[case]))
    smaller = without(groups, groups.removed(odd(groups)), {})
    outputs = smaller.predict(samples(), verbose=0)
    assert np.allclose(open_base(as_base(smaller)).predict(samples(), verbose=0), outputs, atol=1e-6)
    assert np.allclose(run(converted(smaller), samples()), outputs, atol=1e-5)
