"""What a channel costs when it goes and the weights behind it are fitted to what stays."""

from typing import Any

import numpy as np
import pytest

from autotune.compress.channels import importance as module
from autotune.compress.channels.groups import groups_of
from autotune.compress.channels.importance import importance
from autotune.compress.channels.moments import rows_at
from tests.compress.channels.models import ZOO, K, made, samples

CLASSES = "sparse_categorical_crossentropy"


def costs(model: Any, name: str, loss: str = CLASSES) -> np.ndarray[Any, Any]:
    return np.array(importance(groups_of(model), samples(64), loss)[name])


def doubled(model: Any, name: str) -> None:
    """Lets a layer's second channel give twice what its first does."""
    layer = model.get_layer(name)
    layer.set_weights(
        [np.stack([w[..., 0], 2 * w[..., 0], *np.moveaxis(w[..., 2:], -1, 0)], -1) for w in layer.get_weights()]
    )


@pytest.mark.parametrize("case", ZOO)
def test_every_channel_has_a_cost(case: str) -> None:
    """A finite number each, the same again; and of channels that are used none is nothing."""
    groups = groups_of(made(ZOO[case]))
    first, second = (importance(groups, samples(64), CLASSES) for _ in range(2))
    assert first == second
    assert {name: len(values) for name, values in first.items()} == {each.name: each.width for each in groups.groups}
    assert all(np.isfinite(values).all() and min(values) > 0 for values in first.values())


@pytest.mark.parametrize("loss", [CLASSES, "mse"])
def test_what_another_channel_gives_too_costs_nothing(loss: str) -> None:
    """One of two channels alike can go, though its weights are large; both can't."""
    model = made(ZOO["residual"])
    doubled(model, "wide")
    values = costs(model, "wide", loss)
    assert min(values[:2]) < 0.5 * values[2:].min()
    assert max(values[:2]) > 10 * min(values[:2])


def test_what_is_not_read_costs_nothing() -> None:
    """Behind a layer that can be fitted, and behind one that can't."""
    for case, name, reader, axis in (("residual", "wide", "narrow", -2), ("flat", "up", "separable", -2)):
        model = made(ZOO[case])
        kernel, *others = model.get_layer(reader).get_weights()
        np.moveaxis(kernel, axis, 0)[2] = 0
        model.get_layer(reader).set_weights([kernel, *others])
        values = costs(model, name)
        assert values[2] < 1e-6 * np.delete(values, 2).min()


@pytest.mark.parametrize("constant", [-100.0, 3.0])
def test_channels_that_live_cost_more_than_silent_ones(constant: float) -> None:
    """Though these are more than half of the group and it seems that without half of it nothing changes."""

    def body(x: Any) -> Any:
        x = K.BatchNormalization(name="norm")(K.Conv2D(12, 3, name="some")(x))
        return K.GlobalAveragePooling2D()(K.Conv2D(6, 1, activation="relu", name="reader")(K.ReLU(6.0)(x)))

    model = made(body)
    gamma, beta, *statistics = model.get_layer("norm").get_weights()
    gamma[:9], beta[:9] = 0, constant
    model.get_layer("norm").set_weights([gamma, beta, *statistics])
    values = costs(model, "some")
    assert not values[:9].any()
    assert values[9:].min() > 0.01 * costs(model, "reader").max()


def test_each_call_of_a_layer_counts() -> None:
    """Whether it is the first or the second that the outputs are made of."""

    def body(x: Any) -> Any:
        twice = K.Conv2D(4, 1, name="twice")
        return K.GlobalAveragePooling2D()(K.Concatenate()([twice(K.Conv2D(6, 3, name=name)(x)) for name in "ab"]))

    model = made(body)
    model.get_layer("b").set_weights(model.get_layer("a").get_weights())
    head = model.get_layer("head")
    kernel, bias = head.get_weights()
    first, second = np.array(kernel), np.array(kernel)
    first[4:], second[:4], second[4:] = 0, 0, kernel[:4]
    values = []
    for each in (first, second):
        head.set_weights([each, bias])
        values.append(next(iter(importance(groups_of(model), samples(64), CLASSES).values())))
    assert min(values[0]) > 0
    assert np.allclose(values[0], values[1], rtol=1e-3)


@pytest.mark.parametrize("case", ["residual", "nested", "flat"])
def test_few_samples_are_held_where_they_are_large(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One by one they say the same, but for what is drawn."""
    groups = groups_of(made(ZOO[case]))
    wanted = importance(groups, samples(64), CLASSES)
    sizes = []

    def rows(call: Any, taken: Any, share: float, random: Any) -> Any:
        sizes.append(len(taken))
        return rows_at(call, taken, share, random)

    monkeypatch.setattr(module, "MEMORY", 1)
    monkeypatch.setattr(module, "rows_at", rows)
    values = importance(groups, samples(64), CLASSES)
    assert set(sizes) <= {1}
    for name, costs in values.items():
        assert np.corrcoef(costs, wanted[name])[0, 1] > 0.8
        assert 0.5 < sum(costs) / sum(wanted[name]) < 2


def test_costs_are_of_the_outputs() -> None:
    """Two blocks alike, of which the second's outputs count a tenth: its channels cost less, all of them."""

    def body(x: Any) -> Any:
        a, b = (K.Conv2D(4, 1, name=f"last_{name}")(K.Conv2D(6, 3, activation="relu", name=name)(x)) for name in "ab")
        return K.Flatten()(K.GlobalAveragePooling2D()(K.Concatenate()([a, b])))

    model = made(body)
    for kind in ("", "last_"):
        model.get_layer(f"{kind}b").set_weights(model.get_layer(f"{kind}a").get_weights())
    head = model.get_layer("head")
    kernel, bias = head.get_weights()
    kernel[4:] = 0.1 * kernel[:4]
    head.set_weights([kernel, bias])
    assert np.allclose(costs(model, "b"), 0.01 * costs(model, "a"), rtol=0.5)
