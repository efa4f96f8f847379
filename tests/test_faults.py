"""The fault harness of the benchmarks, for a few faults: a study that is killed and damaged again and again."""

from dataclasses import replace
from pathlib import Path

from benchmarks.faults import Campaign
from benchmarks.kinds import TOY
from benchmarks.victim import Victim

FAULTS, SEED = 4, 4


def test_a_study_under_faults_comes_to_its_end(tmp_path: Path) -> None:
    """Nothing is lost, done again or left running. `python -m benchmarks faults` goes on for as long as it is told."""
    said: list[str] = []
    campaign = Campaign(tmp_path, replace(TOY, span=2.0), SEED, said.append)
    while campaign.tried.total() < FAULTS:
        campaign.strike()
    campaign.close()
    assert campaign.kills > 0
    assert campaign.tried["run to its end"] > 0
    assert campaign.right == campaign.tried, said


def test_the_harness_sees_what_is_wrong(tmp_path: Path) -> None:
    """A journal that was cut, an entry that was built again, a run that ends early: each has a line."""
    victim = Victim(tmp_path / "study", TOY)
    victim.start()
    while len(victim.cached) < 3:
        assert not victim.wait(0.05)
    victim.kill_all()
    victim.wait()
    assert victim.left() == []
    victim.remember()
    assert victim.changed() == []
    journal = victim.study / "journal.log"
    journal.write_bytes(journal.read_bytes()[:-200])
    facts = victim.cached[0] / "facts.json"
    data = facts.read_bytes()
    facts.unlink()
    facts.write_bytes(data)
    wrong = victim.changed()
    assert "lines of the journal are gone" in wrong
    assert any("was built again" in line for line in wrong)
    assert victim.unfinished()[0].startswith("ended with status -9: ")
