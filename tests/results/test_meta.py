"""What a study was started with, and JSON."""

import json
from typing import Any

import pytest

from autotune.results.meta import DeviceFacts, Identity, Meta
from autotune.targets.metric import METRICS


def test_a_device_keeps_its_json() -> None:
    """What it tells comes back as it was: other names, what it has no value of, what it says no to."""
    phone = {"device": "p", "serial": "A1", "cores": 8, "governor": None, "emulated": False, "cpus": [0, 1]}
    facts = DeviceFacts.from_json(phone)
    assert (facts.device, facts.cores, facts.cpus, facts.emulated) == ("p", 8, (0, 1), False)
    assert facts.governor is None
    assert facts.load is None
    assert facts.more == {"serial": "A1", "governor": None}
    assert json.dumps(facts.to_json()) == json.dumps(phone)


def test_what_a_device_does_not_tell_is_not_in_its_json() -> None:
    """Of a device that only has a name that is all there is."""
    assert DeviceFacts("desk").to_json() == {"device": "desk"} == DeviceFacts.from_json({"device": "desk"}).to_json()


KEPT: dict[str, Any] = {
    "format": 1,
    "versions": {"keras": "3.1"},
    "id": "1f",
    "seed": 3,
    "quality": {
        "name": "mae",
        "key": "mae",
        "kind": "number",
        "better": "lower",
        "highest": None,
        "lowest": 0.0,
    },
    "data": {"name": "d.npz", "splits": {"test": {"samples": 9, "shape": [9, 2], "fingerprint": "0a"}}},
    "inputs": {"": {"taken": "uint8", "given": "float32"}},
    "targets": ["latency<1ms"],
    "objectives": ["quality", "size"],
    "device": {"device": "pi", "cores": 4, "load": 0.5},
    "options": {
        "model": ["m.keras"],
        "data": "d.npz",
        "validation_share": 0.4,
        "device": "pi.yaml",
        "space": "quick",
        "loss": "mse",
        "metric": "mae",
        "seed": 3,
        "excluded": [],
        "codec": "xz",
    },
    "identity": {
        "data": "1",
        "metric": "mae",
        "model": "2",
        "space": "3",
        "files": "4",
        "targets": "5",
        "objectives": ["quality", "size"],
        "loss": "mse",
        "seed": 3,
        "device": "pi",
        "exclude": ["conv*"],
        "codec": "xz",
    },
}
"""As journals have it."""


def test_a_studys_json_stays_what_it_is() -> None:
    """To the last name, those of another version among them."""
    newer = KEPT | {"mood": "good", "device": {"device": "pi", "firmware": "7"}}
    for values in (KEPT, newer):
        assert json.dumps(Meta.from_json(values).to_json()) == json.dumps(values)
    meta = Meta.from_json(KEPT)
    assert meta.quality == METRICS["mae"]
    assert meta.inputs[""].taken == "uint8"
    assert meta.data.splits["test"].shape == (9, 2)
    assert meta.options.model == ("m.keras",)
    assert meta.identity.exclude == ("conv*",)


def test_a_study_from_before_is_read() -> None:
    """What it lacks is what it was then; what its user asked for is told as it was kept."""
    first = ("quality", "targets", "device")
    options = {name: KEPT["options"][name] for name in ("model", "data", "space", "loss", "metric", "seed")}
    meta = Meta.from_json({name: KEPT[name] for name in first} | {"options": options})
    assert (meta.format, meta.versions, meta.data.splits, meta.inputs) == (0, {}, {}, {})
    assert meta.objectives == ("quality", "latency", "download") == meta.identity.objectives
    assert meta.options.to_json() == options


def test_what_a_study_did_not_keep_is_none() -> None:
    """Names may lack that only some of what is done with a study needs; its JSON does not get them."""
    meta = Meta.from_json({name: KEPT[name] for name in ("quality", "device")} | {"options": {}, "data": {}})
    assert (meta.options.model, meta.options.data, meta.options.seed) == (None, None, None)
    assert meta.options.to_json() == {}
    assert Meta.from_json(KEPT | {"data": {"splits": {"test": {}}}}).data.splits["test"].samples is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"quality": None}, "no quality"),
        ({"quality": {"name": "mae", "key": "mae"}}, "quality: no kind, better"),
        ({"device": {"cores": 4}}, "device: no device"),
        ({"inputs": ["uint8"]}, "inputs: 'list' object has no attribute 'items'"),
    ],
)
def test_a_meta_that_cant_be_understood(change: dict[str, Any], reason: str) -> None:
    """What is missing is said, and of what."""
    with pytest.raises(ValueError, match=f"^{reason}$"):
        Meta.from_json(KEPT | change)


def test_what_makes_another_study() -> None:
    """By name, in the order in which people are told."""
    one = Identity(data="1", model="2", exclude=("a",))
    assert one.changes(one) == []
    assert one.changes(Identity(data="1", model="3", exclude=("b",), more={"mood": "good"})) == ["model", "exclude"]
