"""What is to be built next, where an earlier run was cut off."""

from pathlib import Path

from autotune.search.feasibility import Gate
from autotune.search.proposals import Proposals
from autotune.space.file import parse
from tests.ledger.test_ledger import SPACE, ledger, tell


def test_what_was_cut_off_is_begun_once(tmp_path: Path) -> None:
    """With all its runtimes: when its trial is told and they are not yet, they do not lack."""
    first = ledger(tmp_path)
    asked = first.ask()
    assert asked is not None
    study = ledger(tmp_path)  # the next run's
    space = parse(SPACE, "toy", (1, 2))
    proposals = Proposals(study, space, ["model"], 10, lambda _: None, Gate(study, space.runtimes()))
    unfinished = proposals.unfinished()
    row = next(unfinished)
    assert row.trial is not None
    assert [config.runtime.threads for config in row.configs] in ([1, 2], [2, 1])
    tell(study, row.trial, row.configs[0])
    assert list(unfinished) == []
