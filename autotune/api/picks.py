"""What users of the Python API pick: a file, for one device or for several."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.config import Config
from autotune.errors import AutotuneError, ExitStatus
from autotune.json_object import JsonObject
from autotune.results.front import MeasuredPoint, ParetoFront

if TYPE_CHECKING:
    from autotune.deploy.pick import Picked
    from autotune.deploy.registration import Registration
    from autotune.model.trust import Trust
    from autotune.results.decision import DecisionRule
    from autotune.results.record import Begun


class Unmet(AutotuneError):
    """Nothing meets the targets.

    Attributes:
        nearest: the trial that misses them by least; None where nothing but the baseline was measured.
    """

    exit_status = ExitStatus.UNMET

    def __init__(self, message: str, nearest: MeasuredPoint | None) -> None:
        super().__init__(message)
        self.nearest = nearest


@dataclass(frozen=True)
class Saved:
    """Where a picked file lies.

    Attributes:
        file: the .tflite.
        recipe: what it is and how it was measured, JSON.
        page: the same for people, with code that runs it as it was measured; Markdown.
        remarks: what its second measurement has brought to light; a line each.
        registered: the URI that MLflow loads it by, None where it was not registered.
    """

    file: Path
    recipe: Path
    page: Path
    remarks: list[str] = field(default_factory=list)
    registered: str | None = None


class Pick:
    """A file that was picked: `autotune pick`.

    Attributes:
        point: the trial that it is of.
        trust: what code the study's models may run.
    """

    def __init__(
        self, record: "Begun", front: ParetoFront, point: MeasuredPoint, rule: "DecisionRule", trust: "Trust"
    ) -> None:
        self.point = point
        self.trust = trust
        self._record = record
        self._front = front
        self._rule = rule

    @property
    def config(self) -> Config:
        """How it was made, and how it is to be run."""
        return self.point.outcome.config

    @property
    def metrics(self) -> dict[str, float]:
        """What the study measured, by keys that end in their units."""
        return dict(self.point.outcome.metrics)

    @property
    def file(self) -> Path:
        """The .tflite file in the study's folder."""
        return Path(self.point.model)

    def save(
        self,
        dir: str | Path = ".",
        *,
        measure: bool = True,
        device: str | None = None,
        register: str | None = None,
        alias: str | None = None,
        tracking_uri: str | None = None,
    ) -> Saved:
        """Copies the file, with its recipe and a page on it.

        Args:
            dir: to put them into; made where it is not there.
            measure: whether to measure the file once more, and to evaluate it on the test split unless the study
                has done so. Where the device is not to be found, the numbers are the study's, with a remark.
            device: what the study's device is called now, where that has changed.
            register: a registered model in MLflow, of which it is made a new version.
            alias: of that version.
            tracking_uri: MLflow's store to register in.

        Raises:
            UserError: the folder can't be written to, the device refuses the file now, or it can't be registered so.
            Fault: it is saved, but MLflow failed.
        """
        from autotune.deploy.pick import hand_out
        from autotune.study.checks import check_writable

        registration = self.registration(register, alias, tracking_uri)
        check_writable(Path(dir), "--out")
        picked = self.checked(measure=measure, device=device)
        file, recipe = hand_out(picked, Path(dir))
        if registration is not None:
            registration.register([picked], file, recipe, self.trust)
        return _saved(file, recipe, picked.remarks)

    def registration(self, register: str | None, alias: str | None, tracking_uri: str | None) -> "Registration | None":
        """How save() registers the file; see there. None where it does not."""
        if register is None and alias is None:
            return None
        from autotune.deploy.registration import Registration

        registration = Registration.of(register, alias, tracking_uri)
        registration.check(self.point)
        return registration

    def checked(self, *, measure: bool, device: str | None = None) -> "Picked":
        """What save() hands out; see there."""
        from autotune.deploy.pick import Picked
        from autotune.deploy.recheck import Rechecked, recheck_found
        from autotune.study.log import log

        rechecked = Rechecked.unmeasured(self._record, self.point)
        if measure:
            rechecked = recheck_found(self._record, self.point, device, log.info, self.trust)
        return Picked(self._record, self._front, self.point, rechecked, self._rule)

    def __repr__(self) -> str:
        return f"<Pick: trial {self.point.trial}, {in_a_line(self._front, self.point)}>"


class PickForAll:
    """A file that was picked for several devices: `autotune pick --all-devices`.

    Attributes:
        on: what it is on each of them, on the runtime that suits it there.
    """

    def __init__(self, on: Mapping[str, Pick]) -> None:
        self.on = dict(on)

    @property
    def file(self) -> Path:
        """The .tflite file in the study's folder."""
        return next(iter(self.on.values())).file

    def save(
        self,
        dir: str | Path = ".",
        *,
        measure: bool = True,
        register: str | None = None,
        alias: str | None = None,
        tracking_uri: str | None = None,
    ) -> Saved:
        """Copies the file, with its recipe and a page on it, which say what it is on each device.

        Args:
            dir: as Pick.save().
            measure: likewise; on each device.
            register: likewise; run as on the first device.
            alias: likewise.
            tracking_uri: likewise.

        Raises:
            UserError: as Pick.save().
            Fault: likewise.
        """
        from autotune.deploy.pick import hand_out_together
        from autotune.study.checks import check_writable

        first = next(iter(self.on.values()))
        registration = first.registration(register, alias, tracking_uri)
        check_writable(Path(dir), "--out")
        picked = {device: pick.checked(measure=measure) for device, pick in self.on.items()}
        file, recipe = hand_out_together(picked, Path(dir))
        if registration is not None:
            registration.register(list(picked.values()), file, recipe, first.trust)
        remarks = [f"{device}: {remark}" for device, file_ in picked.items() for remark in file_.remarks]
        return _saved(file, recipe, remarks)

    def __repr__(self) -> str:
        return f"<PickForAll: {self.on}>"


def _saved(file: Path, recipe: JsonObject, remarks: list[str]) -> Saved:
    registered = recipe.get("registered")
    uri = None if registered is None else str(registered["uri"])
    return Saved(file, file.with_suffix(".json"), file.with_suffix(".md"), remarks, uri)


def in_a_line(front: ParetoFront, point: MeasuredPoint) -> str:
    """A point in one line."""
    from autotune.terminal.study import short

    return short(point, front.quality, front.objectives[1:])
