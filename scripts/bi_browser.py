"""Looks at the dashboard as a person does: in Chromium, tab by tab, until every chart is drawn."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, Request, sync_playwright
from playwright.sync_api import TimeoutError as Timeout

from .bi import NotReady

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip
WIDTH, HEIGHT = 1600, 1000
SECONDS = 90.0

# What each chart of the visible tab shows: its text, and what keeps it from being shown to anybody.
STATE = """() => [...document.querySelectorAll('.chart-slice')].filter(e => e.offsetParent).map(slice => {
    const text = slice.innerText;
    const title = slice.querySelector('.header-title');
    const wrong = [];
    const loading = slice.querySelector('[data-test="loading-indicator"], .loading') !== null;
    const canvas = slice.querySelector('canvas');
    const table = slice.querySelector('table');
    const drawn = canvas || slice.querySelector('tbody tr') || slice.querySelector('.header-line');
    if (!drawn && !loading) wrong.push('shows nothing');
    if (canvas && !loading) {
        const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        let painted = 0;
        for (let i = 3; i < data.length; i += 4) painted += data[i] > 0;
        if (painted < 0.01 * canvas.width * canvas.height) wrong.push('is a blank canvas');
    }
    if (/No results were returned|No data|An error|Unexpected error|Data error|Error:|Issue 1/.test(text)) {
        wrong.push('says "' + text.split('\\n').slice(1).join(' ').slice(0, 200) + '"');
    }
    if (slice.querySelector('[role=alert], .ant-alert')) wrong.push('shows an alert');
    if (slice.querySelector('[aria-label=warning]')) wrong.push('shows a warning sign');
    if (title && title.scrollWidth > title.clientWidth + 1) wrong.push('has a title that does not fit');
    if (title && title.offsetHeight > 40) wrong.push('has a title of more than one line');
    const wide = table && table.closest('[style*=overflow], div');
    if (wide && table.offsetWidth > slice.clientWidth) wrong.push('has a table wider than its card');
    return {name: slice.dataset.testChartName, text, loading, wrong};
})"""


@dataclass
class Look:
    """The dashboard in a browser."""

    page: Page
    outside: list[str] = field(default_factory=list)

    def tabs(self) -> list[str]:
        """The names of the tabs, in their order."""
        self.page.wait_for_selector("[role=tab]", timeout=SECONDS / 2 * 1000)
        return [name.strip() for name in self.page.locator("[role=tab]").all_inner_texts()]

    def open(self, tab: str) -> None:
        """Opens a tab and waits until its charts are drawn. TimeoutError: it names those that are not, and why."""
        self.page.locator("[role=tab]", has_text=tab).first.click()
        end = time.monotonic() + SECONDS
        calm = 0
        while calm < 2:  # drawn, and still drawn a moment later: filters that arrive late load charts again
            charts = self.charts()
            ready = charts and not any(one["loading"] or one["wrong"] for one in charts)
            calm = calm + 1 if ready else 0
            if time.monotonic() > end:
                said = [f"{c['name']}: {'still loading' if c['loading'] else ', '.join(c['wrong'])}" for c in charts]
                said = [one for one in said if not one.endswith(": ")]
                raise TimeoutError(f"Tab {tab}: {'; '.join(said) or 'no chart appeared'}")
            self.page.wait_for_timeout(400)

    def charts(self) -> list[dict[str, Any]]:
        """The charts of the open tab: name, text, loading, wrong (a list of what is)."""
        found: list[dict[str, Any]] = self.page.evaluate(STATE)
        return found

    def text(self, chart: str) -> str:
        """The words and figures of one chart of the open tab. KeyError: it is not there."""
        for one in self.charts():
            if one["name"] == chart:
                return str(one["text"])
        raise KeyError(chart)

    def wait_for(self, chart: str, words: str) -> None:
        """Waits until a chart of the open tab says these words. TimeoutError: it does not."""
        end = time.monotonic() + SECONDS
        while words not in self.text(chart):
            if time.monotonic() > end:
                raise TimeoutError(f"{chart} does not say {words!r}: {self.text(chart)[:300]}")
            self.page.wait_for_timeout(300)

    def choose(self, name: str, value: str) -> None:
        """Sets a filter of the filter bar to one value and applies it."""
        bar = self.page.get_by_test_id("filter-bar")
        bar.locator(".ant-form-item", has_text=name).last.locator(".ant-select").first.click()
        self.page.locator(".ant-select-item-option", has_text=value).first.click()
        self.page.get_by_test_id("filter-bar__apply-button").click()

    def picture(self, file: Path) -> None:
        """Saves the whole open tab as PNG."""
        size = """() => Math.ceil(Math.max(...[...document.querySelectorAll('.chart-slice')]
            .filter(e => e.offsetParent).map(e => e.getBoundingClientRect().bottom + window.scrollY)))"""
        for _ in range(2):  # a taller window may move what it shows
            bottom = int(self.page.evaluate(size))
            self.page.set_viewport_size({"width": WIDTH, "height": max(bottom + 32, 600)})
            self.page.wait_for_timeout(700)
        file.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=file)
        self.page.set_viewport_size({"width": WIDTH, "height": HEIGHT})

    def note(self, request: Request) -> None:
        """Remembers a request for anything that is not of this server, unless the browser refused to send it."""
        if not request.url.startswith(("http://127.0.0.1:", "data:", "blob:")):
            self.outside.append(request.url)

    def refused(self, request: Request) -> None:
        """Forgets a request that the server's own policy (CSP) kept from leaving."""
        if request.failure == "csp" and request.url in self.outside:
            self.outside.remove(request.url)


@contextmanager
def looking(url: str, user: str, password: str) -> Iterator[Look]:
    """Opens the dashboard in headless Chromium, signed in. NotReady: there is no Chromium."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise NotReady("Chromium is not installed: run make browser.")
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as profile:
        browser = playwright.chromium.launch_persistent_context(
            profile, executable_path=chromium, args=list(FLAGS), viewport={"width": WIDTH, "height": HEIGHT},
            locale="en-GB", timezone_id="UTC", device_scale_factor=1,
        )  # fmt: skip
        try:
            browser.set_default_timeout(SECONDS * 1000)
            playwright.selectors.set_test_id_attribute("data-test")
            look = Look(browser.pages[0] if browser.pages else browser.new_page())
            look.page.on("request", look.note)
            look.page.on("requestfailed", look.refused)
            look.page.goto(url.split("/superset/")[0] + "/login/")
            look.page.fill("#username", user)
            look.page.fill("#password", password)
            look.page.keyboard.press("Enter")
            look.page.wait_for_url(lambda address: "/login" not in address)
            look.page.goto(url)
            try:
                look.tabs()
            except Timeout:  # a busy machine may stall the first load of some megabytes of JavaScript
                look.page.reload()
                look.tabs()
            yield look
        finally:
            browser.close()
