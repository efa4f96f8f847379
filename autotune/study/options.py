"""What a run is asked for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from autotune.model.trust import Trust
from autotune.options.table import AsSaid
from autotune.search.samplers import ehvi
from autotune.search.search import Proposer, Search
from autotune.space.space import Space
from autotune.targets.target import Target


@dataclass(frozen=True)
class Options(AsSaid):
    """What a run is asked for, read and found: options.RunOptions on one device. As it was said is what it inherits.

    Attributes:
        models: candidate model files, the first of which is the baseline.
        data: as data.read_data() takes it.
        space: to sample from.
        targets: to meet; constraints of the search.
        objectives: what the front is made of, as objectives.parse() gives it; empty where the targets say.
        jobs: number of workers.
        sampler: makes the function that proposes trials.
        name: of the study; see siblings.
        folder: that holds studies and their cache.
        trust: what code model files may run.
        device: what finds it again, None where its name does.
    """

    models: tuple[Path, ...]
    data: str
    space: Space
    targets: list[Target]
    name: str
    folder: Path
    patience: int | None = field(default=None, kw_only=True)  # by default all trials are worth waiting for
    jobs: int = 1
    sampler: Callable[[Search], Proposer] = ehvi
    objectives: tuple[str, ...] = ()
    trust: Trust = field(default_factory=Trust)
    device: str | None = None
