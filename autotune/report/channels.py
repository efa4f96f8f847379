"""Which channels a study took out: dead ones, and those that its plans leave out."""

from dataclasses import dataclass

from autotune.results.channel_plan import STANDS_FOR
from autotune.results.record import Record

KERNELS = dict(zip(STANDS_FOR, ("float kernels", "integer kernels"), strict=True))


@dataclass(frozen=True)
class PlanRow:
    """A plan, as the page lists it.

    Attributes:
        share: of the multiply-accumulates that stays, as a percentage.
        kernels: that it is for, with the model where there are several, and what becomes of dead channels likewise.
        cuts: the groups that are cut, or why there is no plan.
        time: what its untrained file takes beside the one with all channels; "" where that is not known.
        refused: whether there is none.
    """

    share: str
    kernels: str
    cuts: str
    time: str
    refused: bool


def plan_rows(record: Record) -> list[PlanRow]:
    """The study's plans, in the order in which they were made."""
    rows = []
    names = [name.split(" ") for name in record.channels]
    several = len({words[-1] for words in names}) > 1
    for (*model, share, kind, dead), planned in zip(names, record.channels.values(), strict=True):
        time = "" if planned.speed is None else f"{planned.speed:.0%}"
        more = f"dead channels {dead}" if several else ""
        where = ", ".join(filter(None, (" ".join(model), KERNELS.get(kind, kind), more)))
        rows.append(PlanRow(f"{float(share):.0%}", where, str(planned), time, planned.refused is not None))
    return rows


def never_cut(record: Record) -> dict[str, str]:
    """By a layer's name why its channels are cut by no plan."""
    return {layer: why for planned in record.channels.values() for layer, why in planned.left.items()}


def dead_channels(record: Record) -> list[str]:
    """What dead channels were taken out of each model, a line each."""
    lines: dict[str, str] = {}
    for point in record.measured:
        model, dead = point.outcome.config.recipe.model, point.outcome.stages.get("dead")
        if not dead or model in lines:
            continue
        if reason := dead.get("reason"):
            lines[model] = f"{model or 'model'}: dead channels were left in: {reason}"
        elif dead["channels"]:
            gone = sum(before - after for before, after in dead["channels"].values())
            macs, parameters = (after / before for before, after in (dead["macs"], dead["parameters"]))
            lines[model] = (
                f"{model or 'model'}: {gone} channels changed nothing beyond float rounding and were taken out; "
                f"{macs:.0%} of the multiply-accumulates and {parameters:.0%} of the parameters stay"
            )
    return list(lines.values())
