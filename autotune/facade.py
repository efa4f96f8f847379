"""What users of the Python API get of a study: its front, and what they pick from it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotune.config import Config
from autotune.errors import UserError
from autotune.front import ParetoFront, Point
from autotune.outcome import Outcome
from autotune.target import Target

if TYPE_CHECKING:
    import pandas as pd

    from autotune.choice import Choice
    from autotune.compress.trust import Trust
    from autotune.record import Record


class Unmet(Exception):
    """Nothing meets the targets.

    Attributes:
        nearest: the trial that misses them by least; None where nothing but the baseline was measured.
    """

    def __init__(self, message: str, nearest: Point | None) -> None:
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
    """

    file: Path
    recipe: Path
    page: Path
    remarks: list[str] = field(default_factory=list)


class Pick:
    """A file that was picked: `autotune pick`.

    Attributes:
        point: the trial that it is of.
    """

    def __init__(self, record: "Record", front: ParetoFront, point: Point, choice: "Choice", trust: "Trust") -> None:
        self.point = point
        self._record, self._front, self._choice, self._trust = record, front, choice, trust

    @property
    def config(self) -> Config:
        """How it was made, and how it is to be run."""
        return self.point.outcome.config

    @property
    def metrics(self) -> dict[str, float]:
        """As the study measured them, by their keys, which end in their units."""
        return dict(self.point.outcome.metrics)

    @property
    def file(self) -> Path:
        """The .tflite file in the study's folder."""
        return Path(str(self.point.model))

    def save(self, dir: str | Path = ".", *, measure: bool = True, device: str | None = None) -> Saved:
        """Copies the file, with its recipe and a page on it.

        Args:
            dir: to put them into; made where it is not there.
            measure: whether to measure the file once more, and to evaluate it on the test split unless the study
                has done so. Where the device is not to be found, the numbers are the study's, with a remark.
            device: what the study's device is called now, where that has changed.

        Raises:
            UserError: the folder can't be written to, or the device refuses the file now.
        """
        from autotune.pick import Picked, hand_out
        from autotune.study.recheck import Rechecked, recheck_found
        from autotune.study.reporting import log

        record, point = self._record, self.point
        found = Rechecked.unmeasured(record, point)
        if measure:
            found = recheck_found(record, point, device, log.info, self._trust)
        picked = Picked(record, self._front, point, found, self._choice)
        file, _ = hand_out(picked, Path(dir))
        return Saved(file, file.with_suffix(".json"), file.with_suffix(".md"), picked.remarks)

    def __repr__(self) -> str:
        return f"<Pick: trial {self.point.trial}, {_short(self._front, self.point)}>"


class Front:
    """What a study has found, on one device; as it was when it was asked for."""

    def __init__(self, record: "Record", trust: "Trust", notes: Sequence[str] = ()) -> None:
        """For tune() and load() to call.

        Args:
            record: of the study.
            trust: what code its models may run.
            notes: what the run that it is of had to say.

        Raises:
            UserError: nothing was measured.
        """
        front = record.front()
        if front is None:
            raise UserError(f"study {record.name!r} has no trials yet; run it first")
        self._record, self._trust, self._front, self._notes = record, trust, front, list(notes)

    @property
    def name(self) -> str:
        """Of the study."""
        return self._record.name

    @property
    def folder(self) -> Path:
        """Of the study."""
        return self._record.folder

    @property
    def device(self) -> str:
        """The name of the device that it was measured on."""
        return self._record.device

    @cached_property
    def devices(self) -> list[str]:
        """The names of all devices that the study's files were measured on, the one that it searched for first."""
        from autotune.study.siblings import siblings

        return list(siblings(self.folder.parent, self.name))

    def on(self, device: str) -> "Front":
        """The front on another of its devices.

        Raises:
            UserError: the files were not measured there.
        """
        from autotune.study.siblings import find

        return Front(find(self.folder.parent, self.name, device), self._trust, self._notes)

    @property
    def points(self) -> list[Point]:
        """The points that no other one betters in every objective, best quality first."""
        return list(self._front.points)

    @property
    def trials(self) -> list[Point]:
        """All that was tried, in order, with what was refused."""
        return list(self._record.points)

    @property
    def baseline(self) -> Outcome:
        """The original model, converted and nothing else."""
        return self._front.baseline

    @property
    def targets(self) -> list[Target]:
        """What was asked for."""
        return list(self._front.targets)

    @property
    def recommended(self) -> Point | None:
        """What pick() takes; None where nothing meets the targets."""
        return self._front.pick()

    @property
    def notes(self) -> list[str]:
        """What the run that gave this front had to say; a line each."""
        return list(self._notes)

    @property
    def hypervolume(self) -> float:
        """How much of the objective space it dominates, see front.hypervolume(); at least 0, larger is better."""
        return self._record.hypervolume()

    def pick(
        self,
        *targets: str | Target,
        by: str | None = None,
        weights: Mapping[str, float] | None = None,
        trial: int | None = None,
    ) -> Pick:
        """The best file: `autotune pick`.

        Args:
            targets: in place of the study's.
            by: one-se (the default), knee or weights.
            weights: of the objectives, by their names; means by="weights".
            trial: to take, whatever the rule.

        Raises:
            Unmet: nothing meets the targets.
            UserError: a target, the rule or the trial makes no sense, or the file is gone.
        """
        from autotune.asked import plain
        from autotune.choice import parse_choice
        from autotune.pick import choose
        from autotune.show_table import missed
        from autotune.target import parse_all, resolve

        parsed = resolve(parse_all(plain({"targets": targets})["targets"])[0], self._record.quality)
        weighed = None if weights is None else ",".join(f"{name}={weight}" for name, weight in weights.items())
        choice = parse_choice(by, weighed, trial, self._record.objectives)
        front, point = choose(self._record, parsed or None, trial, choice)
        if point is None:
            near = front.nearest()
            how = "nothing but the baseline was measured"
            if near is not None:
                how = f"nearest is trial {near.trial}: {_short(front, near)}: {missed(front, near)}"
            raise Unmet(f"nothing meets the targets; {how}", near)
        return Pick(self._record, front, point, choice, self._trust)

    def to_frame(self, *, everything: bool = False) -> "pd.DataFrame":
        """As a pandas table, indexed by trial; see frame.frame() for its columns.

        Args:
            everything: every trial, in place of those on the front.
        """
        from autotune.frame import frame

        return frame(self._front, self._record.points if everything else self._front.points)

    def to_json(self) -> list[dict[str, Any]]:
        """Its points, as `autotune front --json` has them."""
        return self._front.to_json(self._record.meta["device"])

    def __iter__(self) -> Iterator[Point]:
        return iter(self.points)

    def __len__(self) -> int:
        return len(self._front.points)

    def __repr__(self) -> str:
        pick = self.recommended
        best = "nothing meets the targets"
        if pick is not None:
            best = f"recommended is trial {pick.trial}, {_short(self._front, pick)}"
        return f"<Front of study {self.name!r} on {self.device}: {len(self)} points; {best}>"

    def _repr_html_(self) -> str:
        from autotune.show_html import table_html
        from autotune.show_table import front_table, listed

        shown = listed(self._front, everything=False)
        more = f" of {len(self)}" if len(shown) < len(self) else ""
        targets = ", ".join(target.text for target in self.targets)
        title = f"<b>{escape(self.name)}</b> on {escape(self.device)}" + f", for {escape(targets)}" * bool(targets)
        legend = f"{len(shown)}{more} points; * recommended; ± is the 95 % interval; ≈ can't be told apart from above"
        return f"<div>{title}{table_html(front_table(self._front))}<small>{legend}</small></div>"


def _short(front: ParetoFront, point: Point) -> str:
    from autotune.show import short

    return short(point, front.quality, front.objectives[1:])
