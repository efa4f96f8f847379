"""Optuna's Gaussian processes as a sampler. They need PyTorch, which autotune does not."""

import optuna

from autotune.search.search import Proposer, Search

try:
    import torch  # noqa: F401  # Optuna would only miss it in the middle of a study
except ImportError as error:
    raise ImportError("it needs PyTorch: install the extra gp, or take another --sampler") from error


def gp(search: Search) -> Proposer:
    """Gaussian processes with constraints on each objective (Optuna's GPSampler)."""
    return search.by(optuna.samplers.GPSampler(seed=search.seed))
