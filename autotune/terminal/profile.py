"""What people see of where a file's time goes."""

from collections.abc import Callable, Sequence

from rich.table import Table
from rich.text import Text

from autotune.measure.profile import Profile
from autotune.results.profile import Part
from autotune.terminal.study import console
from autotune.text.units import kernel, milliseconds, size

PARTS = 40
"""Operators that a profile shows at most: those that take most."""

BAR = 8
"""Characters of the longest bar."""

KIND = 30
"""Characters of an operator's kind."""


def print_profile(title: str, profile: Profile) -> None:
    """A file's operators: what they take, where that is known, and what they compute, keep and move."""
    table = Table(box=None, pad_edge=False, collapse_padding=True, header_style="bold", footer_style="bold")
    table.show_footer = True
    columns = [*(_taken(profile) if profile.times else []), *_kept(profile)]
    table.add_column("operator", "all", no_wrap=True)
    table.add_column("makes", overflow="ellipsis")  # the one that gives way where there is no room
    for header, footer, _ in columns:
        table.add_column(header, footer, justify="left" if header in _WORDS else "right", no_wrap=True)
    shown = _heaviest(profile.parts)
    for part in shown:
        table.add_row(Text(_kind(part)), Text(_made(part)), *(cell(part) for _, _, cell in columns))
    console.print(Text(title, style="bold"), soft_wrap=True)
    console.print(table)
    if left := len(profile.parts) - len(shown):
        console.print(f"{left} lighter ones are not shown; --json has them", style="dim")
    if profile.untold:
        console.print(profile.untold, style="yellow", soft_wrap=True, markup=False)


_WORDS = ("", "through", "shape")
"""Headers of columns that are no numbers."""

Column = tuple[str, str, Callable[[Part], str]]
"""A header, a footer, and what stands there for each part."""


def _taken(profile: Profile) -> list[Column]:
    """What is known of time."""
    total, longest = (reduce(time.time_us for time in profile.times) or 1.0 for reduce in (sum, max))

    def rate(part: Part) -> str:
        if part.time is None or part.operator is None or not part.operator.macs or part.time.time_us < 1:
            return "-"
        return f"{part.operator.macs / part.time.time_us / 1e3:.3g}"

    def time_us(part: Part) -> float:
        return 0.0 if part.time is None else part.time.time_us

    def written(part: Part) -> str:
        whole = part.time is not None and part.time.delegate  # delegates tell whole microseconds
        return "<1 us" if whole and time_us(part) < 1 else milliseconds(time_us(part) / 1e3)

    mixed = len({time.delegate for time in profile.times}) > 1
    return [
        ("time", milliseconds(sum(time.time_us for time in profile.times) / 1e3), written),
        ("share", "", lambda part: f"{time_us(part) / total:.1%}"),
        ("", "", lambda part: "▇" * round(time_us(part) / longest * BAR)),
        *([("through", "", lambda part: (part.time and part.time.delegate) or "kernels")] if mixed else []),
        ("GMAC/s", "", rate),
    ]


def _kept(profile: Profile) -> list[Column]:
    """What the file tells."""

    def column(header: str, name: str, written: Callable[[float], str]) -> Column:
        def cell(part: Part) -> str:
            value = 0 if part.operator is None else getattr(part.operator, name)
            return written(value) if value else "-"

        return header, written(sum(getattr(row, name) for row in profile.operators)), cell

    def shape(part: Part) -> str:
        operator = part.operator
        return "" if operator is None else f"{'x'.join(map(str, operator.output_shape))} {operator.output_dtype}"

    return [
        column("MACs", "macs", _count),
        column("params", "parameters", _count),
        column("weights", "weight_bytes", size),
        column("in + out", "activation_bytes", size),
        *([] if profile.times else [("shape", "", shape)]),
    ]


def _kind(part: Part) -> str:
    """What ran."""
    kind = part.time.kind if part.time is not None else part.operator.kind if part.operator is not None else ""
    kind = kernel(kind)
    return kind if len(kind) <= KIND else f"{kind[: KIND - 1]}…"


def _made(part: Part) -> str:
    """What the file calls its output; of several names that were fused into it the first."""
    return "" if part.operator is None else part.operator.name.partition(";")[0]


def _heaviest(parts: Sequence[Part]) -> list[Part]:
    """Parts that take most, in the order in which they run."""

    def weight(at: int) -> tuple[float, int]:
        part = parts[at]
        return part.time.time_us if part.time else 0.0, part.operator.macs if part.operator else 0

    return [parts[at] for at in sorted(sorted(range(len(parts)), key=weight, reverse=True)[:PARTS])]


def _count(value: float) -> str:
    """A number as people read it."""
    for bound, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= bound:
            return f"{value / bound:.3g} {unit}"
    return f"{value:g}"
