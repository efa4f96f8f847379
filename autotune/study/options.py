"""What a run is asked for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from autotune.model.trust import Trust
from autotune.options import RunOptions
from autotune.search.samplers import ehvi
from autotune.search.search import Proposer, Search
from autotune.space.space import Space
from autotune.targets.target import Target


@dataclass(frozen=True)
class Options:
    """What a run is asked for, read and found: options.RunOptions on one device.

    Attributes:
        models: candidate model files, the first of which is the baseline.
        data: as data.read_data() takes it.
        space: to sample from.
        targets: to meet; constraints of the search.
        objectives: what the front is made of, as objectives.parse() gives it; empty where the targets say.
        trials: of the study in all, those of earlier runs included.
        patience: trials without a better front after which the search ends, None for no end.
        timeout: seconds after which nothing new is begun, None for no limit.
        jobs: number of workers.
        seed: of splits, shuffles and the sampler.
        sampler: makes the function that proposes trials.
        name: of the study; see siblings.
        folder: that holds studies and their cache.
        loss, metric: None where model and labels shall say.
        validation_share: of the test samples that becomes validation, where there is none.
        exclude: names of layers, or patterns of them, to leave alone.
        trust: what code model files may run.
        device: what finds it again, None where its name does.
    """

    models: tuple[Path, ...]
    data: str
    space: Space
    targets: list[Target]
    name: str
    folder: Path
    trials: int = RunOptions.trials
    patience: int | None = None
    timeout: float | None = None
    jobs: int = 1
    seed: int = RunOptions.seed
    sampler: Callable[[Search], Proposer] = ehvi
    objectives: tuple[str, ...] = ()
    loss: str | None = None
    metric: str | None = None
    validation_share: float = RunOptions.validation_share
    exclude: tuple[str, ...] = ()
    trust: Trust = field(default_factory=Trust)
    device: str | None = None
