"""What studies keep, damaged: a journal, the cache, latencies and scores give what was whole, or nothing."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.compress.cache import FACTS, ArtifactCache
from autotune.config import Runtime
from autotune.errors import UserError
from autotune.ledger import journal
from autotune.ledger.artifacts import read_scores
from autotune.ledger.journal_file import CHECKSUM, JournalFile
from autotune.model.artifact import Artifact
from autotune.results.meta import DeviceFacts
from autotune.results.record import Begun
from autotune.study.latency_cache import LatencyCache
from autotune.testing.results import toy_measurement
from tests.ledger.test_ledger import begun
from tests.readers.contract import read_or_refused
from tests.readers.mutations import damaged, reshaped

KEY = "ab" * 32
RUNTIME = Runtime("xnnpack", 1)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The journal of a study with a baseline and two trials."""
    folder = tmp_path_factory.mktemp("ledgers") / "toy"
    begun(folder, 2)
    return (folder / journal.JOURNAL).read_bytes()


@st.composite
def senseless(draw: st.DrawFn, content: bytes) -> bytes:
    """A journal with a line of another shape, without a checksum, as those from before have none."""
    lines = [json.loads(line) for line in content.splitlines()]
    at = draw(st.integers(0, len(lines) - 1))
    bare = {key: value for key, value in lines[at].items() if key != CHECKSUM}
    lines[at] = draw(reshaped(bare))
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


@given(draw=st.data())
def test_journals(tmp_path_factory: pytest.TempPathFactory, content: bytes, draw: st.DataObject) -> None:
    """A record of what is before the damage, with a front, or a line that says there is none."""
    folder = tmp_path_factory.getbasetemp() / "journals" / "toy"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / journal.JOURNAL).write_bytes(draw.draw(damaged(content) | senseless(content)))
    record = read_or_refused(lambda: journal.read(folder, "toy"))
    if record is not None:
        assert len(record.points) <= 2
        assert not isinstance(record, Begun) or record.hypervolume() >= 0


OPTIONAL = ("format", "versions", "id", "seed", "data", "inputs", "targets", "objectives", "options", "identity")
"""Names of a study's meta that need not be there, nor all that is in them."""


def kept_meta(content: bytes) -> dict[str, Any]:
    """What a journal says that its study was started with."""
    logs = map(json.loads, content.splitlines())
    return next(log["user_attr"]["meta"] for log in logs if "meta" in log.get("user_attr", {}))


def with_meta(folder: Path, content: bytes, meta: dict[str, Any]) -> Path:
    """A study of another meta, as a version of autotune would have written it, with checksums; its folder."""
    logs = [json.loads(line) for line in content.splitlines()]
    for log in logs:
        if "meta" in log.get("user_attr", {}):
            log["user_attr"]["meta"] = meta
    folder.mkdir(parents=True, exist_ok=True)
    (folder / journal.JOURNAL).unlink(missing_ok=True)
    bare = [{key: value for key, value in log.items() if key != CHECKSUM} for log in logs]
    JournalFile(folder / journal.JOURNAL).append_logs(bare)
    return folder


@st.composite
def lacking(draw: st.DrawFn, tree: Any) -> Any:
    """An object of JSON that lacks a name, or one of the objects within it does."""
    name = draw(st.sampled_from(sorted(tree)))
    if isinstance(tree[name], dict) and tree[name] and draw(st.booleans()):
        return tree | {name: draw(lacking(tree[name]))}
    return {key: value for key, value in tree.items() if key != name}


@given(draw=st.data())
def test_metas(tmp_path_factory: pytest.TempPathFactory, content: bytes, draw: st.DataObject) -> None:
    """A study whose meta lacks a name is opened, or a line says which one it is and why not."""
    folder = tmp_path_factory.getbasetemp() / "metas" / "toy"
    with_meta(folder, content, draw.draw(lacking(kept_meta(content))))
    record = read_or_refused(lambda: journal.read(folder, "toy"))
    assert record is None or len(record.points) == 2


@pytest.mark.parametrize("name", OPTIONAL)
def test_names_that_a_meta_may_lack(name: str, tmp_path: Path, content: bytes) -> None:
    """The study is opened with all of its points."""
    whole = kept_meta(content)
    rest = {key: value for key, value in whole.items() if key != name}
    for meta in (rest, rest | {name: {}} if isinstance(whole.get(name), dict) else rest):
        assert len(journal.read(with_meta(tmp_path, content, meta), "toy").points) == 2


def test_names_that_a_meta_needs(tmp_path: Path, content: bytes) -> None:
    """What is missing is said, of which study, and what to do; by whoever opens it, and its journal stays."""
    with_meta(tmp_path, content, kept_meta(content) | {"device": {}})
    before = (tmp_path / journal.JOURNAL).read_bytes()
    for opened in (journal.read, journal.read_if_any, journal.mend):
        with pytest.raises(
            UserError,
            match=r"study 'toy': .* started with \(device: no device\); use the version .*, or choose another",
        ):
            opened(tmp_path, "toy")
    assert (tmp_path / journal.JOURNAL).read_bytes() == before


ARTIFACT = Artifact(b"a file's bytes", {"layers": ["conv"], "size": 14})


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> ArtifactCache:
    """With one entry."""
    found = ArtifactCache(tmp_path_factory.mktemp("cache"))
    found.put(KEY, ARTIFACT)
    return found


@pytest.fixture(scope="module")
def facts(cache: ArtifactCache) -> bytes:
    """As they were kept."""
    return cache.path(KEY).with_name(FACTS).read_bytes()


def reshaped_json(tree: Any) -> st.SearchStrategy[bytes]:
    return reshaped(tree).map(lambda tree: json.dumps(tree).encode())


@given(draw=st.data())
def test_entries_of_the_cache(cache: ArtifactCache, facts: bytes, draw: st.DataObject) -> None:
    """The artifact as it was put, or none; and room for it to be put again."""
    cache.path(KEY).with_name(FACTS).write_bytes(draw.draw(damaged(facts) | reshaped_json(json.loads(facts))))
    assert cache.get(KEY) in (None, ARTIFACT)
    cache.put(KEY, ARTIFACT)
    cache.path(KEY).write_bytes(draw.draw(damaged(ARTIFACT.data)))
    assert cache.get(KEY) in (None, ARTIFACT)
    cache.put(KEY, ARTIFACT)
    assert cache.get(KEY) == ARTIFACT


MEASURED = toy_measurement(2.0)
KEPT = {"at": 1.8e9, "measurement": MEASURED.to_json()}
"""As latencies were kept before they had a checksum."""


@given(content=damaged(json.dumps(KEPT).encode()) | reshaped_json(KEPT))
def test_kept_latencies(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """The measurement, or none; and a new one takes its place."""
    folder = tmp_path_factory.getbasetemp() / "latencies"
    kept = LatencyCache(folder, DeviceFacts("toy"))
    kept.put("structure", RUNTIME, MEASURED)
    [path] = folder.glob("*/*.json")
    path.write_bytes(content)
    kept.anchor("structure", RUNTIME, MEASURED)
    assert kept.get("structure", RUNTIME) == MEASURED


@given(draw=st.data())
def test_scores(tmp_path_factory: pytest.TempPathFactory, draw: st.DataObject) -> None:
    """Numbers, or none."""
    stream = io.BytesIO()
    np.save(stream, np.linspace(0, 1, 20))
    path: Path = tmp_path_factory.getbasetemp() / "scores.npy"
    path.write_bytes(draw.draw(damaged(stream.getvalue())))
    found = read_scores(path)
    assert found is None or found.dtype.kind in "bifu"
