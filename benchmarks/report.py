"""The report of a study of 10,000 trials: how long it takes to write, how large it is, whether it can be panned.

The trials are those of the benchmark `scale`, drawn evenly. Goals: under 30 s from the command to the file, under
15 MB. The browser is a headless Chromium without a GPU; a device's own is faster.
"""

import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from autotune.config import Config
from autotune.ledger.ledger import Ledger
from autotune.space.file import parse
from autotune.targets.target import parse_all
from benchmarks.scale import META, SPACE, TARGETS, TRIALS, measured, timed

NAME = "scale"
STEPS = 20
"""Of a drag."""


def fill(folder: Path, trials: int) -> None:
    """A study of so many trials.

    Args:
        folder: that holds studies.
        trials: of it.
    """
    space = parse(SPACE, NAME, (1, 2))
    (folder / NAME).mkdir(parents=True)
    ledger = Ledger(folder / NAME, NAME, space, META)
    baseline, targets = measured(Config.of({})), parse_all(TARGETS)[0]
    ledger.begin(baseline)
    draw, seen = random.Random(0), set[str]()
    while len(seen) < trials:
        config = space.sample(draw)
        if config.key not in seen:
            seen.add(config.key)
            ledger.add(measured(config), targets)


def main() -> None:
    """Prints a table."""
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), TRIALS)
        command = [sys.executable, "-m", "autotune", "report", NAME, "--dir", folder, "--out", folder]
        _, seconds = timed(lambda: subprocess.run(command, check=True, capture_output=True))
        page = Path(folder) / f"{NAME}.html"
        print("| | |")
        print("|---|---|")
        print(f"| autotune report | {seconds:.1f} s |")
        print(f"| the page | {page.stat().st_size / 1e6:.1f} MB |", flush=True)
        _browse(page)


def _browse(page: Path) -> None:
    """Prints how long the page takes to be drawn, and each step of a drag over the front."""
    try:
        from selenium import webdriver
        from selenium.webdriver.common.action_chains import ActionChains

        options = webdriver.ChromeOptions()
        for argument in ("--headless=new", "--no-sandbox", "--window-size=1400,900"):
            options.add_argument(argument)
        browser = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    except Exception as error:  # noqa: BLE001  # whatever it lacks
        print(f"no browser: {type(error).__name__}")
        return
    try:
        _, seconds = timed(lambda: browser.get(page.as_uri()))
        print(f"| opened and drawn | {seconds:.1f} s |")
        plot = browser.find_element("css selector", "#front .nsewdrag")
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", plot)
        drag = ActionChains(browser, duration=0).move_to_element(plot).click_and_hold()
        for _ in range(STEPS):
            drag.move_by_offset(5, 3)
        began = time.perf_counter()
        drag.release().perform()
        print(f"| a step of a drag over the front | {1e3 * (time.perf_counter() - began) / STEPS:.0f} ms |")
    finally:
        browser.quit()


if __name__ == "__main__":
    main()
