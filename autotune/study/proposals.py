"""Which configurations come next."""

import itertools
from collections.abc import Sequence

from autotune.config import SCHEMES, Config
from autotune.devices.device import Device
from autotune.space import Space
from autotune.study.asktell import Ledger


class Proposals:
    """Asks the ledger for configurations to try."""

    def __init__(self, ledger: Ledger, space: Space, device: Device, models: Sequence[str], trials: int) -> None:
        """
        Args:
            ledger: of the study.
            space: that the configurations are from.
            device: to measure on.
            models: names of the candidates.
            trials: of the study in all.
        """
        self._ledger, self._space, self._device = ledger, space, device
        self._models, self._trials = models, trials

    @property
    def left(self) -> int:
        """Trials that the study still has."""
        return self._trials - len(self._ledger.record().points)

    def schemes(self) -> list[tuple[int, Config]]:
        """The plain quantization schemes that were not tried yet, before anything is sampled.

        They cost little, and what is recommended can then not be worse than they are. Plain int4 is
        seldom any good, so of it there is the one that spares most layers.
        """
        first = self._space.first() | {"prune": 0, "cluster": 0}
        spared = {"int4": self._space.highest("mixed")}
        left = self.left
        asked: list[tuple[int, Config]] = []
        for scheme, model in itertools.product(SCHEMES, self._models):
            values = {**first, "quantize": scheme, "model": model, "mixed": spared.get(scheme, 0)}
            runtimes = itertools.product(
                self._device.delegates, self._device.threads, (first.get("augment", "none"), "none")
            )
            configs = (
                Config.of({**values, "delegate": delegate, "threads": threads, "augment": augment})
                for delegate, threads, augment in runtimes
            )
            config = next(filter(self._ledger.admits, configs), None)
            if config and len(asked) < left and (one := self._ledger.ask_for(config)):
                asked.append(one)
        return asked

    def sampled(self, most: int) -> list[tuple[int, Config]]:
        """The next configurations to be built together; none at the end of the study or the space.

        Args:
            most: as many at most.
        """
        asked: list[tuple[int, Config]] = []
        for _ in range(min(self.left, most)):
            one = self._ledger.ask()
            if one is None:
                break
            asked.append(one)
        return asked
