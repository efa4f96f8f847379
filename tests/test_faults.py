"""The fault harness of the benchmarks, for a few faults: a study that is killed and damaged again and again."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.faults import Campaign
from benchmarks.kinds import TOY
from benchmarks.victim import Victim

SEED = 4


def test_a_study_under_faults_comes_to_its_end(tmp_path: Path) -> None:
    """Nothing is lost, done again or left; each fault comes once. `python -m benchmarks faults` goes on and on."""
    said: list[str] = []
    campaign = Campaign(tmp_path, replace(TOY, span=2.0), SEED, said.append)
    while not set(TOY.faults) <= campaign.tried.keys():
        campaign.strike()
    campaign.close()
    assert {campaign.tried[fault] for fault in TOY.faults} == {1}
    assert campaign.tried["run to its end"] > 0
    assert campaign.right == campaign.tried, said


@pytest.mark.parametrize("title", ["ray::_Worker", "ray::_Worker.run", "ray::_Worker.__init__"])
def test_a_worker_is_found_whatever_it_does(title: str, tmp_path: Path) -> None:
    """Ray calls it by what it does; where it was looked for by its name alone, no busy one was ever killed."""
    kind = replace(TOY, command=lambda *_: ["bash", "-c", f"exec -a {title} sleep 60 & wait"])
    victim = Victim(tmp_path / "study", kind)
    victim.start()
    assert victim.has("worker")
    victim.kill_all()
    assert victim.left() == []


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
