"""Files with fewer channels and nothing made good: built and timed to plan what is cut."""

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from autotune.compress.channels.untrained import untrained
from autotune.compress.convert import Convert
from autotune.compress.quantize import Quantize
from autotune.config import Runtime, fingerprint
from autotune.errors import Infeasible
from autotune.files import Scratch
from autotune.measure.rounds import Job, JobResult
from autotune.model.artifact import Artifact
from autotune.study.builder import REFUSED, Builder, Inputs
from autotune.study.instrument import Instrument
from autotune.study.leases import TimeIsUpError
from autotune.tflite.structure import structure

VERSION = 3
"""Of what is kept: raised where a file would come out otherwise."""

AHEAD = 4
"""Files that are built at a time, at most."""

Keep = Mapping[str, Sequence[int]]
"""The channels that stay, by a group's name; of others all do."""

_Building = Future[list[Artifact | Infeasible]]


@dataclass(frozen=True)
class Timed:
    """A file's structure, and what it takes on each runtime that was asked for; why not where it can't be run."""

    structure: str
    results: Sequence[JobResult]


@dataclass(frozen=True)
class UntrainedFiles:
    """Builds and times them.

    Attributes:
        builder: of the study.
        instrument: of the study.
        building: holds the device while files are built.
        deadline: on the clock of time.monotonic(), None for none.
        status: told what is being done.
    """

    builder: Builder
    instrument: Instrument
    building: Callable[[], AbstractContextManager[None]]
    deadline: float | None
    status: Callable[[str], None]

    def timed(
        self, inputs: Inputs, keeps: Sequence[Keep], schemes: Sequence[str], runtimes: Sequence[Runtime], *, rough: bool
    ) -> dict[str, list[Timed] | Infeasible]:
        """What a model's files take.

        Args:
            inputs: the model.
            keeps: of each file.
            schemes: of quantization.
            runtimes: to run files on.
            rough: whether Instrument.measure_files() measures roughly.

        Returns:
            By scheme what its files take, or why the model can't be quantized so.

        Raises:
            Infeasible: the model can't be converted.
            Fault: the workers or the device were lost.
            TimeIsUpError: the deadline has come.
        """
        with Scratch() as folder:
            files = self._files(inputs, keeps, schemes, Path(folder))
            return {
                scheme: paths if isinstance(paths, Infeasible) else self._times(paths, runtimes, rough=rough)
                for scheme, paths in files.items()
            }

    def _times(self, files: Sequence[Path], runtimes: Sequence[Runtime], *, rough: bool) -> list[Timed]:
        jobs = [Job(*pair) for pair in itertools.product(files, runtimes)]
        try:
            results = iter(self.instrument.measure_files(jobs, self._is_over, rough=rough))
        finally:  # what was stopped at the deadline is no fault
            self._check()
        return [Timed(structure(file.read_bytes()), list(itertools.islice(results, len(runtimes)))) for file in files]

    def _files(
        self, inputs: Inputs, keeps: Sequence[Keep], schemes: Sequence[str], folder: Path
    ) -> dict[str, list[Path] | Infeasible]:
        files: dict[str, list[Path] | Infeasible] = {scheme: [] for scheme in schemes}
        with self.building():
            for number, artifacts in enumerate(self._built(inputs, keeps, schemes), 1):
                self.status(f"what fewer channels save on this device: file {number} of {len(keeps)}")
                for scheme, artifact in zip(schemes, artifacts, strict=True):
                    paths = files[scheme]
                    if REFUSED in artifact.facts:
                        files[scheme] = Infeasible(artifact.facts[REFUSED])
                    elif isinstance(paths, list):
                        paths.append(folder / f"{scheme}-{number}.tflite")
                        paths[-1].write_bytes(artifact.data)
        return files

    def _built(self, inputs: Inputs, keeps: Sequence[Keep], schemes: Sequence[str]) -> Iterator[list[Artifact]]:
        """For each set of channels that stay its files, one for each scheme; those that can't be say why."""
        begun: deque[tuple[Sequence[str], _Building]] = deque()
        waiting = iter(keeps)
        try:
            while True:
                begun.extend(self._begin(inputs, k, schemes) for k in itertools.islice(waiting, AHEAD - len(begun)))
                if not begun:
                    return
                self._check()
                keys, future = begun[0]
                artifacts = [
                    made if isinstance(made, Artifact) else Artifact(b"", {REFUSED: str(made)})
                    for made in future.result()
                ]
                for key, artifact in zip(keys, artifacts, strict=True):
                    self.builder.cache.put(key, artifact)
                begun.popleft()
                yield artifacts
        finally:  # what goes on would disturb what is measured next
            wait([future for _, future in begun])

    def _begin(self, inputs: Inputs, keep: Keep, schemes: Sequence[str]) -> tuple[Sequence[str], _Building]:
        """Keys of a set's files, and where they come from."""
        cut = {name: list(channels) for name, channels in keep.items()}
        versions = VERSION, Convert.version, Quantize.version
        keys = [fingerprint("untrained", versions, inputs.key, cut, scheme) for scheme in schemes]
        cached = [artifact for key in keys if (artifact := self.builder.cache.get(key))]
        if len(cached) == len(keys):
            ready: _Building = Future()
            ready.set_result([*cached])
            return keys, ready
        return keys, self.builder.pool.submit(untrained, inputs.base, cut, tuple(schemes), inputs.data)

    def _is_over(self) -> bool:
        return self.deadline is not None and time.monotonic() > self.deadline

    def _check(self) -> None:
        """
        Raises:
            TimeIsUpError: the deadline has come.
        """
        if self._is_over():
            raise TimeIsUpError
