"""What people and programs read of a run where nothing is drawn: plain lines, the end result alone, or JSON lines."""

import json
import threading
from collections.abc import Sequence
from typing import IO, Self

from rich.text import Text

from autotune.process.interrupts import status_of
from autotune.results.front import Point
from autotune.results.record import Begun
from autotune.study.reporting import News, Silent, Summary
from autotune.terminal.study import console, print_pick, print_summaries, short
from autotune.track.store import hidden


class QuietOutput(Silent):
    """The recommendation, or the nearest miss, and nothing before it. As a Reporter, and what a command ends with."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, *_: object) -> None:
        pass

    def end(self, summaries: Sequence[Summary], tracking_uri: str | None, status: int) -> None:  # noqa: ARG002  # others' use
        """What a run on one or more devices came to.

        Args:
            summaries: of it.
            tracking_uri: the MLflow store, None for none.
            status: that the command ends with.
        """
        for record in [summary.record for summary in summaries]:
            print_pick(record, record.front())


class PlainOutput(QuietOutput):
    """A line for each trial that ends, and the summary."""

    def __init__(self) -> None:
        self._seen: tuple[str, int] = ("", 0)

    def note(self, text: str) -> None:
        console.print(Text(text, style="yellow"), soft_wrap=True)

    def progress(self, record: Begun, trials: int) -> None:
        if (record.name, record.trials_done) == self._seen:  # one that nobody asked for has ended
            return
        self._seen = (record.name, record.trials_done)
        front = record.front()
        pick = front.pick()
        nothing = "nothing meets the targets yet" if front.points else "none yet"
        best = short(pick, record.quality, record.objectives[1:]) if pick else nothing
        line = f"{record.trials_done}/{trials} trials · hypervolume {record.hypervolume():.3f} · best: {best}"
        console.print(line, soft_wrap=True)
        console.file.flush()

    def end(self, summaries: Sequence[Summary], tracking_uri: str | None, status: int) -> None:  # noqa: ARG002  # others' use
        print_summaries(summaries, tracking_uri)


class JsonOutput(QuietOutput):
    """JSON lines, one an event; see docs/json.md."""

    def __init__(self, file: IO[str]) -> None:
        """
        Args:
            file: that gets the lines.
        """
        self._file = file
        self._lock = threading.Lock()
        self._status = ""
        self._news = News()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, *_: object) -> None:
        if error is not None:
            self._tell("end", status=status_of(error), error=hidden(str(error)) or type(error).__name__)

    def note(self, text: str) -> None:
        self._tell("note", text=text)

    def status(self, text: str) -> None:
        if text != self._status:
            self._status = text
            self._tell("status", text=text)

    def progress(self, record: Begun, trials: int) -> None:
        for point in self._news.of(record):
            self._trial(record, point, trials)

    def end(self, summaries: Sequence[Summary], tracking_uri: str | None, status: int) -> None:
        for summary in summaries:
            record, front = summary.record, summary.record.front()
            for note in summary.notes:
                self.note(note)
            pick = front.pick()
            self._tell(
                "front",
                study=record.name,
                device=record.device,
                recommended=None if pick is None else pick.trial,
                front=front.to_json(record.meta.device),
            )
        self._tell("end", status=status, tracking_uri=tracking_uri)

    def _trial(self, record: Begun, point: Point, trials: int) -> None:
        self._tell(
            "trial",
            study=record.name,
            **point.to_json(record.meta.device),
            state=point.outcome.state,
            reason=point.reason,
            free=point.free,
            done=record.trials_done,
            trials=trials,
            hypervolume=record.hypervolume(),
        )

    def _tell(self, event: str, **facts: object) -> None:
        line = json.dumps({"event": event, **facts})
        with self._lock:
            self._file.write(f"{line}\n")
            self._file.flush()
