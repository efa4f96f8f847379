"""Weights behind a cut are fitted to what stays."""

from typing import Any

import numpy as np
import pytest

from autotune.compress.channels.groups import groups_of
from autotune.compress.channels.moments import biases_behind, patches
from autotune.compress.channels.refit import refit
from autotune.compress.channels.surgery import without
from tests.compress.channels.models import ZOO, K, made, samples
from tests.compress.channels.test_dead import silence
from tests.compress.channels.test_importance import doubled
from tests.compress.channels.test_surgery import odd


def cut(model: Any, keep: dict[str, list[int]] | None, *, fit: bool = True) -> Any:
    groups = groups_of(model)
    removed = groups.removed(odd(groups) if keep is None else keep)
    smaller = without(groups, removed, biases_behind(groups, removed, 0.0))
    if fit:
        refit(smaller, groups, removed, samples(256))
    return smaller


def test_what_stays_makes_good_what_goes() -> None:
    """Where one channel gives what another does, nothing is lost."""
    model = made(ZOO["residual"], activation="linear")
    doubled(model, "wide")
    expected = model.predict(samples(), verbose=0)
    error, fitted = (
        np.abs(cut(model, {"wide": [0, *range(2, 12)]}, fit=fit).predict(samples(), verbose=0) - expected).max()
        for fit in (False, True)
    )
    assert fitted < 0.02 * error


def test_what_takes_nothing_but_zeros_stays_as_it_is() -> None:
    """A layer that no sample reaches has nothing that it could be fitted to."""
    model = made(ZOO["residual"], activation="linear")
    silence(model, "wide", list(range(12)), -1.0, noise=0.0)
    smaller = cut(model, {"wide": [0, 3, 7]})
    assert np.allclose(smaller.predict(samples(), verbose=0), model.predict(samples(), verbose=0), atol=1e-6)


@pytest.mark.parametrize("case", sorted(ZOO.keys() - {"nested"}))  # what is called twice is not fitted
def test_outputs_are_nearer_to_what_they_were(case: str) -> None:
    """Than with the weights that stay, of half of all channels; on samples that were not seen."""
    model = made(ZOO[case], activation="linear")
    fresh = np.random.default_rng(5).normal(size=samples(64).shape).astype(np.float32)
    expected = model.predict(fresh, verbose=0)
    before, after = (
        np.square(cut(model, None, fit=fit).predict(fresh, verbose=0) - expected).mean() for fit in (False, True)
    )
    assert after < 0.7 * before


@pytest.mark.parametrize(
    "layer",
    [
        K.Conv2D(4, (3, 2), strides=2, padding="same"),
        K.Conv2D(4, 3, dilation_rate=2),
        K.Conv1D(4, 3, padding="causal", dilation_rate=2),
        K.Conv1D(4, 2, strides=3, padding="same"),
        K.Dense(4),
    ],
)
def test_patches_are_what_a_kernel_is_multiplied_by(layer: Any) -> None:
    """In the order of its values."""
    conv1d = type(layer).__name__ == "Conv1D"
    model = made(lambda x: K.Flatten()(layer(K.Reshape((8, 24))(x) if conv1d else x)))
    call = next(each for each in groups_of(model).calls if each.kind == type(layer).__name__)
    taken = samples().reshape(-1, 8, 24) if conv1d else samples()
    kernel = call.layer.kernel.numpy()
    sums = patches(call, taken) @ kernel.reshape(-1, 4) + call.layer.bias.numpy()
    assert np.allclose(sums.reshape(-1), call.layer(taken).numpy().reshape(-1), atol=1e-5)
