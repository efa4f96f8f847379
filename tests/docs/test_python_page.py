"""docs/python.md: its code runs as it stands, in a thread; and what tune() really does, by the way."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from autotune import Front, Saved
from autotune.compress.worker import start
from tests.docs.test_examples import ROOT, blocks

PAGE = ROOT / "docs" / "python.md"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the page's names stand for in the end."""
    start(2)  # what runs in this process later asks for as many
    folder = tmp_path_factory.mktemp("page")
    for name, called in (("digits.keras", "model.keras"), ("digits.npz", "data.npz")):
        shutil.copy(ROOT / "experiments" / "digits" / name, folder / called)
    code = "\n".join(content for page, _, content in blocks("python") if page == PAGE)
    names: dict[str, Any] = {"__name__": "page"}
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as thread:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setattr("autotune.study.pool.sensible_jobs", lambda cores: 1)  # each imports TensorFlow first
        thread.submit(exec, compile(code, str(PAGE), "exec"), names).result()
    return names | {"folder": folder}


def test_the_front_is_of_real_files(ran: dict[str, Any]) -> None:
    """Of the model and the arrays in memory, which are kept where the command line finds them."""
    front: Front = ran["front"]
    assert front.recommended is not None
    assert front.recommended.outcome.metrics["accuracy"] > 0.9
    kept = {path.name for path in (ran["folder"] / "runs" / "digits" / "given").rglob("*.*")}
    assert kept == {f"{ran['model'].name}.keras", "data.npz"}


def test_the_file_is_saved(ran: dict[str, Any]) -> None:
    """With its recipe and its page, measured once more where the study was."""
    saved: Saved = ran["saved"]
    names = {path.name for path in (ran["folder"] / "ship").iterdir()}
    assert names == {saved.file.name, saved.recipe.name, saved.page.name}
    recipe = json.loads((ran["folder"] / saved.recipe).read_text())
    assert recipe["remeasured"]["p50_ms"] > 0
    assert recipe["test"]["accuracy"] > 0.9


def test_the_same_call_finds_all_done(ran: dict[str, Any]) -> None:
    """It builds nothing, and no callback is called."""
    assert sum(not point.free for point in ran["front"].trials) == 2
    assert [run["converted"] + run["trained"] for run in ran["front"]._record.runs][1:] == [0]
