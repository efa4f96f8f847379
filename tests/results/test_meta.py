"""What a study was started with, and JSON."""

from autotune.results.meta import DeviceFacts


def test_a_device_keeps_its_json() -> None:
    """What it tells comes back as it was: other names, what it has no value of, what it says no to."""
    phone = {"device": "p", "serial": "A1", "cores": 8, "governor": None, "emulated": False, "cpus": [0, 1]}
    facts = DeviceFacts.from_json(phone)
    assert (facts.device, facts.cores, facts.cpus, facts.emulated) == ("p", 8, (0, 1), False)
    assert facts.governor is None
    assert facts.load is None
    assert facts.more == {"serial": "A1", "governor": None}
    assert facts.to_json() == phone


def test_what_a_device_does_not_tell_is_not_in_its_json() -> None:
    """Of a device that only has a name that is all there is."""
    assert DeviceFacts("desk").to_json() == {"device": "desk"} == DeviceFacts.from_json({"device": "desk"}).to_json()
