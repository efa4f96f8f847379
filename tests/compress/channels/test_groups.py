"""Groups of channels: what hangs together, and what can't be cut."""

from collections.abc import Callable
from typing import Any

import pytest

from autotune.compress.channels.dead import dead_channels
from autotune.compress.channels.groups import groups_of
from autotune.compress.channels.surgery import without
from autotune.errors import Infeasible
from tests.compress.channels.models import ZOO, K, made

GROUPS = {
    "residual": {"stem": (("stem", "narrow"), 8), "wide": (("wide",), 12)},
    "squeezed": {"body": (("body", "excite"), 8), "squeeze": (("squeeze",), 4)},
    "joined": {"a": (("a", "b", "c"), 10)},
    "flat": {"conv": (("conv",), 6), "hidden": (("hidden",), 5), "up": (("up",), 7), "separable": (("separable",), 9)},
    "nested": {"outer": (("outer", "inner", "twice"), 8)},
    "sequence": {"causal": (("causal",), 8), "each": (("each",), 10), "dilated": (("dilated",), 6)},
    "operators": {"first": (("first", "second"), 8)},
    "grouped": {"first": (("first",), 8), "behind": (("behind",), 8)},
    "learned": {"first": (("first",), 8), "second": (("second",), 8)},
}


@pytest.mark.parametrize("case", ZOO)
def test_what_meets_goes_together(case: str) -> None:
    """By the first layer's name all that make the group's channels, and how many they are; the output is left."""
    groups = groups_of(made(ZOO[case]))
    assert {group.name: (group.layers, group.width) for group in groups.groups} == GROUPS[case]
    assert groups.left["head"] == "it is the model's output"


def _between(layer: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def body(x: Any) -> Any:
        x = K.Conv2D(6, 3, name="before")(x)
        return K.GlobalAveragePooling2D()(K.Conv2D(5, 1, name="behind")(layer(x)))

    return body


OBSTACLES: dict[str, Callable[[Any], Any]] = {
    "LayerNormalization": K.LayerNormalization(name="it"),
    "grouped convolution": K.Conv2D(6, 3, groups=2, name="it"),
    "softmax": K.Activation("softmax", name="it"),
    "Lambda": K.Lambda(lambda x: x[..., ::-1], name="it"),
    "moves the channels": K.Permute((3, 1, 2), name="it"),
    "not over channels": K.BatchNormalization(axis=1, name="it"),
    "(LSTM)": lambda x: K.LSTM(4, return_sequences=True, name="it")(K.Reshape((36, 6))(x)),
}


@pytest.mark.parametrize("reason", OBSTACLES)
def test_what_can_not_be_followed_is_left_and_named(reason: str) -> None:
    """The groups on both sides of such a layer, but not those further on."""
    between = OBSTACLES[reason]
    body = between if reason != "(LSTM)" else lambda x: K.Reshape((6, 6, 4))(between(x))
    groups = groups_of(made(_between(body)))
    assert reason in groups.left["before"]
    assert "'it'" in groups.left["before"]
    assert [group.name for group in groups.groups] == ["behind"]


def test_what_a_layer_reshapes_twice_goes_together() -> None:
    """Its config holds one width for both calls."""

    def body(x: Any) -> Any:
        reshape = K.Reshape((1, 1, 6))
        parts = [reshape(K.GlobalAveragePooling2D()(K.Conv2D(6, 3, name=name)(x))) for name in "ab"]
        return K.Flatten()(K.Concatenate(axis=1)([K.Conv2D(4, 1)(part) for part in parts]))

    groups = groups_of(made(body))
    shared = groups.groups[0]
    assert set(shared.layers) == {"a", "b"}
    smaller = without(groups, groups.removed({shared.name: [0, 2]}), {})
    assert [smaller.get_layer(name).filters for name in "ab"] == [2, 2]


def test_layers_of_several_outputs_are_left() -> None:
    """Each of them has its own width."""

    def body(x: Any) -> Any:
        x, state, _ = K.LSTM(4, return_sequences=True, return_state=True)(K.Reshape((8, 24))(x))
        return K.Concatenate()([K.Dense(6, name="behind")(K.GlobalAveragePooling1D()(x)), K.ReLU()(state)])

    groups = groups_of(made(body))
    assert [group.name for group in groups.groups] == ["behind"]
    assert dead_channels(groups).labels.size == 0


def test_excluded_layers_keep_what_they_take_and_give() -> None:
    """By name or pattern, and whatever is in one group with them."""
    groups = groups_of(made(ZOO["residual"]), ["narr*"])
    assert groups.left["narrow"] == groups.left["stem"] == groups.left["wide"] == "it is excluded"
    assert groups.groups == ()


def test_one_channel_is_no_group() -> None:
    """There is nothing to choose."""
    assert groups_of(made(ZOO["squeezed"])).left["place"] == "it has one channel alone"


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        ({"narrow": [0]}, "goes with one of another name"),
        ({"head": [0]}, "the model's output"),
        ({"wide": []}, "has 12 channels"),
        ({"wide": [12]}, "has 12 channels"),
    ],
)
def test_what_can_not_stay_is_refused(keep: dict[str, list[int]], message: str) -> None:
    """By name, with the reason."""
    with pytest.raises(Infeasible, match=message):
        groups_of(made(ZOO["residual"])).removed(keep)
