"""What users of the Python API get of a study."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.api.picks import Pick, PickForAll, Unmet, in_a_line
from autotune.json_object import JsonObject
from autotune.results.front import MeasuredPoint, ParetoFront, Point
from autotune.results.outcome import Measured
from autotune.targets.target import Target

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from autotune.model.trust import Trust
    from autotune.results.decision import DecisionRule
    from autotune.results.devices import Together
    from autotune.results.record import Record


class Front:
    """What a study has found, on one device; as it was when it was asked for."""

    def __init__(self, record: "Record", trust: "Trust", notes: Sequence[str] = ()) -> None:
        """The front of a study; tune() and load() make it.

        Args:
            record: of the study.
            trust: what code its models may run.
            notes: what the run that it is of had to say.

        Raises:
            UserError: nothing was measured.
        """
        self._record = record.begun()
        self._trust = trust
        self._front = self._record.front()
        self._notes = list(notes)

    @property
    def name(self) -> str:
        """The study's name."""
        return self._record.name

    @property
    def folder(self) -> Path:
        """The study's folder."""
        return self._record.folder

    @property
    def device(self) -> str:
        """The name of the device that it was measured on."""
        return self._record.device

    @cached_property
    def devices(self) -> list[str]:
        """The names of all devices that the study's files were measured on, the one that it searched for first."""
        from autotune.ledger.siblings import siblings

        return list(siblings(self.folder.parent, self.name))

    def on(self, device: str) -> "Front":
        """The front on another of its devices.

        Raises:
            UserError: the files were not measured there.
        """
        from autotune.ledger.siblings import find

        return Front(find(self.folder.parent, self.name, device), self._trust, self._notes)

    @property
    def points(self) -> list[MeasuredPoint]:
        """The points that no other one betters in every objective, best quality first."""
        return list(self._front.points)

    @property
    def trials(self) -> list[Point]:
        """All that was tried, in order, with what was refused."""
        return list(self._record.points)

    @property
    def baseline(self) -> Measured:
        """The original model, converted and nothing else."""
        return self._front.baseline

    @property
    def targets(self) -> list[Target]:
        """What was asked for."""
        return list(self._front.targets)

    @property
    def recommended(self) -> MeasuredPoint | None:
        """What pick() takes; None where nothing meets the targets."""
        return self._front.pick()

    @property
    def notes(self) -> list[str]:
        """What the run that gave this front had to say, or load() of what is damaged; a line each."""
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
            UserError: a target, the rule or the trial makes no sense, or the file is gone or damaged.
        """
        from autotune.deploy.pick import choose

        parsed, rule = self._asked(targets, by, weights, trial)
        front, point = choose(self._record, parsed, trial, rule)
        if point is None:
            raise self._unmet(front)
        return Pick(self._record, front, point, rule, self._trust)

    def pick_for_all(
        self,
        *targets: str | Target,
        by: str | None = None,
        weights: Mapping[str, float] | None = None,
        trial: int | None = None,
    ) -> PickForAll:
        """The one file that serves best on all devices: `autotune pick --all-devices`. Arguments are those of pick().

        Raises:
            Unmet: no file meets the targets on every device.
            UserError: as pick(), or no file was measured on all of them.
        """
        from autotune.deploy.pick import choose_together
        from autotune.ledger.siblings import siblings

        parsed, rule = self._asked(targets, by, weights, trial)
        records = siblings(self.folder.parent, self.name)
        together, best = choose_together(records, parsed, trial, rule)
        if best is None:
            raise self._unmet_together(together)
        return PickForAll(
            {
                device: Pick(records[device], together.fronts[device], point, rule, self._trust)
                for device, point in together.on_each(best).items()
            }
        )

    def _asked(
        self, targets: Sequence[str | Target], by: str | None, weights: Mapping[str, float] | None, trial: int | None
    ) -> "tuple[list[Target] | None, DecisionRule]":
        """The targets, None for the study's own, and the rule."""
        from autotune.api.keywords import texts
        from autotune.results.decision import parse_rule
        from autotune.targets.target import parse_all, resolve

        parsed = resolve(parse_all(texts("targets", targets))[0], self._record.quality)
        weighed = None if weights is None else ",".join(f"{name}={weight}" for name, weight in weights.items())
        return parsed or None, parse_rule(by, weighed, trial, self._record.objectives)

    def _unmet(self, front: ParetoFront) -> Unmet:
        from autotune.text.words import missed

        near = front.nearest()
        how = "nothing but the baseline was measured"
        if near is not None:
            how = f"nearest is trial {near.trial}: {in_a_line(front, near)}: {missed(front, near)}"
        return Unmet(f"nothing meets the targets; {how}", near)

    def _unmet_together(self, together: "Together") -> Unmet:
        """Nothing meets the targets, said of each device by itself: on all of them together nothing was measured."""
        from autotune.text.words import missed

        near = together.nearest
        how = "; ".join(
            f"on {device} {missed(together.fronts[device], point) or 'meets them'}"
            for device, point in together.on_each(near).items()
        )
        return Unmet(f"nothing meets the targets; nearest is trial {near.trial}: {how}", near)

    def to_frame(self, *, everything: bool = False) -> "pd.DataFrame":
        """A pandas table, indexed by trial; see frame.frame() for its columns.

        Args:
            everything: every trial, in place of those on the front.
        """
        from autotune.api.frame import frame

        return frame(self._front, self._record.points if everything else self._front.points)

    def plot(self) -> "go.Figure":
        """A Plotly figure: the quality over each cost, with intervals and targets."""
        from autotune.report.figures import front_figure

        return front_figure(self._record)

    def report(self, dir: str | Path = ".") -> list[Path]:
        """Writes a page that works offline, and pictures for papers: `autotune report`.

        Args:
            dir: to put them into; made where it is not there.

        Returns:
            What was written, the page first.

        Raises:
            UserError: the folder can't be written to.
        """
        from autotune.ledger.importance import importance
        from autotune.report.page import write_report

        return write_report(self._record, importance(self._record), Path(dir))

    def to_json(self) -> list[JsonObject]:
        """Its points, as `autotune front --json` has them."""
        return self._front.to_json(self._record.meta.device)

    def __iter__(self) -> Iterator[MeasuredPoint]:
        return iter(self.points)

    def __len__(self) -> int:
        return len(self._front.points)

    def __repr__(self) -> str:
        from autotune.text.words import unmet

        pick = self.recommended
        best = unmet(self._front)
        if pick is not None:
            best = f"recommended is trial {pick.trial}, {in_a_line(self._front, pick)}"
        return f"<Front of study {self.name!r} on {self.device}: {len(self)} points; {best}>"

    def _repr_html_(self) -> str:
        from autotune.terminal.html import table_html
        from autotune.terminal.table import front_table
        from autotune.text.words import listed

        shown = listed(self._front, everything=False)
        more = f" of {len(self)}" if len(shown) < len(self) else ""
        targets = ", ".join(target.text for target in self.targets)
        title = f"<b>{escape(self.name)}</b> on {escape(self.device)}"
        if targets:
            title += f", for {escape(targets)}"
        legend = f"{len(shown)}{more} points; * recommended; ± is the 95 % interval; ≈ can't be told apart from above"
        return f"<div>{title}{table_html(front_table(self._front, self._record.codec))}<small>{legend}</small></div>"
