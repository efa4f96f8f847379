"""The contract of samplers, kept by each of autotune's own."""

import pytest

from autotune import plugins
from autotune.search.search import Sampler
from autotune.testing import SamplerContract


class BuiltIn(SamplerContract):
    name: str

    def sampler(self) -> Sampler:
        sampler: Sampler = plugins.load("samplers", self.name)
        return sampler


class TestEhvi(BuiltIn):
    name = "ehvi"


class TestTpe(BuiltIn):
    name = "tpe"


class TestNsga2(BuiltIn):
    name = "nsga2"


class TestRandom(BuiltIn):
    name = "random"


class TestGrid(BuiltIn):
    name = "grid"


class TestGp(BuiltIn):
    name = "gp"

    def sampler(self) -> Sampler:
        pytest.importorskip("torch", reason="Optuna's Gaussian processes need PyTorch: the extra gp")
        return super().sampler()
