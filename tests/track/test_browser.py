"""What people see of a study in MLflow's UI: a real browser on a real server."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from mlflow import MlflowClient

from autotune.testing import toy_outcome, toy_record
from autotune.track.mlflow import MlflowTracker
from tests.track.server import Server

LONG = 60.0
"""Seconds after which a page is not going to show it."""

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver")
selenium = pytest.importorskip("selenium", reason="needs selenium")

from selenium import webdriver  # noqa: E402  # behind the check
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.remote.webelement import WebElement  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1800,1200"):
        options.add_argument(argument)
    one = webdriver.Chrome(options, webdriver.ChromeService(str(DRIVER)))
    yield one
    one.quit()


def test_a_study_in_the_ui(
    browser: webdriver.Chrome, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its run is listed, its trials below it, sortable by latency; the picture opens, and so does the figure."""
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "seen")
    server.start()
    latencies = (1.0, 0.25, 0.75, 0.5)
    outcomes = [toy_outcome(0.9 - at / 10, each, 1000 - at, prune=at / 10) for at, each in enumerate(latencies)]
    record = toy_record(tmp_path / "demo", *outcomes)
    MlflowTracker(server.uri).finish(record)
    client = MlflowClient(server.uri)
    found = client.get_experiment_by_name("seen")
    assert found is not None
    [parent] = client.search_runs([found.experiment_id], "tags.mlflow.runName = 'demo'")
    page = f"{server.uri}/#/experiments/{found.experiment_id}/runs"

    def open_(address: str) -> None:
        browser.get("about:blank")  # what differs behind the # alone is no new page
        browser.get(address)

    def names() -> list[str]:
        return [link.text for link in browser.find_elements(By.CSS_SELECTOR, "a[href*='/runs/']") if link.text]

    def shows(wanted: list[str]) -> None:
        end = time.monotonic() + LONG
        while names() != wanted:
            assert time.monotonic() < end, names()
            time.sleep(0.2)

    def there(selector: str) -> WebElement:
        return WebDriverWait(browser, LONG).until(lambda seen: seen.find_element(By.CSS_SELECTOR, selector))

    open_(page)
    shows(["demo"])
    browser.find_element(By.XPATH, "//a[.='demo']/ancestor::*[@role='gridcell']//button").click()
    trials = [f"{point.trial}: {point.outcome.config}" for point in record.points]
    shows(["demo", *reversed(trials)])

    condition, order = quote('tags.feasible = "true"'), quote("metrics.`latency_ms`")
    open_(f"{page}?searchFilter={condition}&orderByKey={order}&orderByAsc=true")
    shows([trials[at] for at in (1, 3, 2, 0)])

    artifacts = f"{page}/{parent.info.run_id}/artifacts"
    open_(f"{artifacts}/front.png")
    WebDriverWait(browser, LONG).until(
        lambda seen: any(
            seen.execute_script("return arguments[0].naturalWidth", image) >= 1000
            for image in seen.find_elements(By.CSS_SELECTOR, "img[src^='blob:']")
        )
    )
    open_(f"{artifacts}/front.html")
    browser.switch_to.frame(there("iframe"))
    there(".js-plotly-plot .main-svg")
