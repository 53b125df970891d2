"""Pages in a real browser: a test module imports these fixtures."""

import pytest
from playwright.sync_api import sync_playwright

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


@pytest.fixture(scope="module")
def chromium(chromium_path):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium):
    """``opened(address, **how)``: the page with its plots in a new tab, and the list of its
    requests, messages and errors. ``how`` are options of the browser context."""
    contexts = []

    def open_page(address, *, plots=True, **how):
        contexts.append(chromium.new_context(**how))
        page, seen = contexts[-1].new_page(), []
        page.on("request", lambda request: seen.append(request.url))
        page.on("console", lambda message: seen.append(message.text))
        page.on("pageerror", lambda error: seen.append(str(error)))
        page.on("dialog", lambda dialog: (seen.append(dialog.message), dialog.dismiss()))
        page.goto(address)
        if plots:
            page.wait_for_selector(".plot .main-svg")
        return page, seen

    yield open_page
    for context in contexts:
        context.close()
