"""The system's Chromium, driven by Playwright, and pages that may neither complain nor ask for anything."""

import os
import shutil
import time
from contextlib import contextmanager

import pytest

from headwise.report import render_report

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@contextmanager
def a_browser():
    """Skips where there is no browser, unless HEADWISE_BROWSER says that there has to be one."""
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        say = pytest.fail if os.environ.get("HEADWISE_BROWSER") == "required" else pytest.skip
        say("needs Chromium (Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visit:
    """A page of a report in a browser.

    Attributes:
        page: Playwright's page.
        complaints: Errors and warnings of the console and of scripts.
        requests: What was asked for besides the page itself.
    """

    def __init__(self, context, path, fragment="", script=None, ready="html[data-ready]"):
        self.page = context.new_page()
        self.page.set_default_timeout(10_000)
        self.complaints, self.requests = [], []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append("dialog"), dialog.dismiss()))
        self.page.on("request", self._see)
        if script:
            self.page.add_init_script(script)
        self.address = path.as_uri()
        self.page.goto(self.address + fragment)
        self.page.wait_for_selector(ready, state="attached", timeout=20_000)

    def _hear(self, message):
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _see(self, request):
        if not request.url.startswith((self.address, "blob:")):
            self.requests.append(request.url)

    def until(self, expression, argument=None):
        """Waits for something to become true; Playwright's own way needs an eval, which the page forbids."""
        end = time.monotonic() + 10
        while not self.page.evaluate(expression, argument):
            assert time.monotonic() < end, f"never came true: {expression}"
            self.page.wait_for_timeout(20)

    def text(self, selector):
        return self.page.inner_text(selector)


class Visitor:
    """Opens reports; in the end no page may have complained or asked for anything."""

    def __init__(self, browser, folder):
        self.browser, self.folder, self.visits, self.contexts = browser, folder, [], []

    def open(self, report, fragment="", script=None, ready="html[data-ready]", **options):
        path = self.folder / f"page-{len(self.visits)}.html"
        path.write_text(
            report if isinstance(report, str) else render_report(report), encoding="utf-8"
        )
        options = {"viewport": {"width": 1200, "height": 900}} | options
        self.contexts.append(self.browser.new_context(accept_downloads=True, **options))
        self.visits.append(Visit(self.contexts[-1], path, fragment, script, ready))
        return self.visits[-1]

    def leave(self):
        for context in self.contexts:
            context.close()
        for visit in self.visits:
            assert visit.complaints == []
            assert visit.requests == []
