"""A real Chromium for the tests of the page: found, started empty, driven with real mouse and keys."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


def missing() -> str:
    """Why no browser can be driven here; "" if one can."""
    if not any(map(shutil.which, BROWSERS)):
        return "there is no Chromium (apt-get install chromium chromium-driver)"
    return "" if shutil.which("chromedriver") else "there is no chromedriver (package chromium-driver)"


@contextmanager
def browsing(width: int = 1366, height: int = 768) -> Iterator[Browser]:
    """A browser with an empty profile and a window of this inner size."""
    with tempfile.TemporaryDirectory(prefix="cardiacuq-browser-") as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = next(filter(None, map(shutil.which, BROWSERS)))
        for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
        try:
            browser = Browser(driver)
            browser.resize(width, height)
            yield browser
        finally:
            driver.quit()


class Browser:
    """What the tests do with the page, in their words."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def resize(self, width: int, height: int, scale: float = 1.0) -> None:
        """Set the size of the page in CSS pixels and how many pixels of the screen each has."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def prefer(self, scheme: str) -> None:
        """Let the system prefer "dark" or "light"."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def open(self, address: str, case: str) -> None:
        """Go to an address and wait until this case can be worked on."""
        self.driver.get(address)
        self.ready(case)

    def ready(self, case: str) -> None:
        """Wait until this case can be worked on."""
        self.wait(lambda: self.js("return document.body.dataset.ready") == case)

    def wait(self, happened, seconds: float = 20.0) -> None:
        """Wait until a condition holds; raises TimeoutException."""
        WebDriverWait(self.driver, seconds, poll_frequency=0.02).until(lambda _: happened())

    def js(self, script: str, *arguments):
        """Run a script in the page and return what it returns."""
        return self.driver.execute_script(script, *arguments)

    def text(self, name: str) -> str:
        """Text of the element with this id."""
        return self.driver.find_element(By.ID, name).text

    def element(self, selector: str):
        """The first element of a CSS selector."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str):
        """All elements of a CSS selector."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def box(self) -> list[float]:
        """Left, top, width and height of the large picture, in CSS pixels of the page."""
        return self.js(
            "const b = review.stage.canvas.getBoundingClientRect(); return [b.x, b.y, b.width, b.height]"
        )

    def centre(self) -> tuple[float, float]:
        """Middle of the large picture."""
        left, top, width, height = self.box()
        return left + width / 2, top + height / 2

    def press(self, *keys: str) -> None:
        """Type keys, wherever the focus is."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def settled(self) -> None:
        """Wait until the server has answered everything and the picture is drawn."""
        self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "const drawn = () => requestAnimationFrame(() => requestAnimationFrame(() => done()));"
            "review.case.waiting.then(drawn);"
        )

    def drag(self, points: list[tuple[float, float]]) -> None:
        """Press the mouse at the first point (CSS pixels of the page), move over the others, let go."""
        actions = ActionBuilder(self.driver, duration=0)
        pointer = actions.pointer_action
        pointer.move_to_location(*points[0]).pointer_down()
        for point in points[1:]:
            pointer.move_to_location(*point)
        pointer.pointer_up()
        actions.perform()

    def move(self, x: float, y: float) -> None:
        """Bring the mouse there without a button."""
        action = ActionBuilder(self.driver)
        action.pointer_action.move_to_location(int(x), int(y))
        action.perform()

    def scroll(self, x: float, y: float, delta: int) -> None:
        """Turn the wheel at a point."""
        wheel = {"type": "mouseWheel", "x": x, "y": y, "deltaX": 0, "deltaY": delta}
        self.driver.execute_cdp_cmd("Input.dispatchMouseEvent", wheel)

    def picture(self, path: Path) -> None:
        """Screenshot of the page."""
        self.driver.save_screenshot(str(path))

    def complaints(self) -> list[str]:
        """What the browser's console holds: errors of scripts, refused loads."""
        return [json.dumps(entry) for entry in self.driver.get_log("browser")]
