"""Which layers are spared, and how many levels each has: by what its rounding alone does to the outputs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autotune.compress import post_training
from autotune.compress.rounding.layers import loaded, name, places
from autotune.compress.rounding.rounding import Rounded, Way, rounded
from autotune.compress.rounding.walk import Walk
from autotune.task.data import Array
from autotune.tflite.flatbuffer import describe

SAMPLES = 64
"""Inputs whose outputs are compared, at most."""

LARGE = 1 << 22
"""Weights above which a layer is rounded in one way at a time: that takes longer, and less memory."""


@dataclass(frozen=True)
class Trial:
    """What came of one layer rounded alone.

    Attributes:
        error: of the outputs, as post_training.disturbance() has it.
        information: of the weights, in bits.
    """

    error: float
    information: float


def trials(file: bytes, inputs: Array, ways: Mapping[str, Sequence[Way]], seed: int) -> dict[str, list[Trial]]:
    """Rounds each layer of a float file alone.

    Args:
        file: with one input.
        inputs: as round_file() takes them.
        ways: to be tried, by names of weight tensors.
        seed: as round_file().

    Returns:
        What each way gave.

    Raises:
        Infeasible: LiteRT can't run the file.
        UserError: it is no whole .tflite file.
    """
    model = loaded(file)
    walk = Walk(model, inputs)
    wanted = walk.outputs(SAMPLES)
    disturbance = post_training.disturbance(describe(file))
    result: dict[str, list[Trial]] = {}
    for place in places(model):
        weights = name(model, place)
        if weights in ways:
            walk.to(place.operator)
            before = Rounded.now(model, place)
            result[weights] = []
            large = before.weights.size > LARGE
            for some in [[way] for way in ways[weights]] if large else [ways[weights]]:
                for layer in rounded(model, place, walk, walk, some, seed):
                    layer.put(model, place)
                    error = disturbance(wanted, walk.outputs(SAMPLES))
                    result[weights].append(Trial(error, layer.information(place.axis)))
                before.put(model, place)
    return result


def share_out(layers: Mapping[str, Sequence[Trial]], alike: int) -> dict[str, int]:
    """Which way each layer takes, so that all together need no more bits than with the same way for all.

    All begin with their first way; where an error grows least for each bit that is saved, the next step is made.

    Args:
        layers: what each of their ways gave, the most precise one first.
        alike: number of the way whose bits may be spent.

    Returns:
        The number of each layer's way.
    """
    budget = sum(ways[alike].information for ways in layers.values())
    chosen = dict.fromkeys(layers, 0)

    def price(step: tuple[str, int]) -> float:
        layer, way = step
        now, then = layers[layer][chosen[layer]], layers[layer][way]
        return (then.error - now.error) / (now.information - then.information)

    while sum(ways[chosen[layer]].information for layer, ways in layers.items()) > budget:
        steps = [
            (layer, way)
            for layer, ways in layers.items()
            for way in range(len(ways))  # fewer levels may need more bits
            if ways[way].information < ways[chosen[layer]].information
        ]
        layer, way = min(steps, key=price)
        chosen[layer] = way
    return chosen
