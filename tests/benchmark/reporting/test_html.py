"""The HTML report, opened and clicked in a real browser."""

import numpy as np
import pytest
from mlflow import MlflowClient
from playwright.sync_api import sync_playwright

from tests.benchmark.reporting.test_comparison import log
from tests.conftest import command, place

pytestmark = pytest.mark.process

NASTY = "<script>document.title='broken'</script>|</script><img src=x onerror=alert(1)>"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


@pytest.fixture(scope="module")
def chromium(chromium_path):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory, new_database):
    """The address of a report on three models. The name of one model is a script."""
    here = tmp_path_factory.mktemp("html")
    store = MlflowClient(place(new_database, here / "mlflow.db"))
    good = np.random.default_rng(0).integers(1, 30, 300)
    for model, ranks in {NASTY: good, "Middle": good + 2, "Bad": good + 15}.items():
        log(store, model, ranks)
    words = ["python", "-m", "benchmark.report", "--experiment", "e", "--format", "html"]
    output = ["--output", f"{here}/e.html", "--tracking-uri", store.tracking_uri, "--no-log"]
    done = command(*words, *output)
    assert done.returncode == 0, done.stderr
    return (here / "e.html").as_uri()


@pytest.fixture
def opened(chromium, address):
    """``opened(**how)``: the page in a new tab, and the list of its requests, messages and errors.

    ``how`` are options of the browser context.
    """
    contexts = []

    def open_page(**how):
        contexts.append(chromium.new_context(**how))
        page, seen = contexts[-1].new_page(), []
        page.on("request", lambda request: seen.append(request.url))
        page.on("console", lambda message: seen.append(message.text))
        page.on("pageerror", lambda error: seen.append(str(error)))
        page.on("dialog", lambda dialog: (seen.append(dialog.message), dialog.dismiss()))
        page.goto(address)
        page.wait_for_selector("#plot-0 .main-svg")
        return page, seen

    yield open_page
    for context in contexts:
        context.close()


def column(page, number):
    return page.locator("section").first.locator(f"tbody td:nth-child({number})").all_inner_texts()


def test_it_is_one_page_that_asks_for_nothing_and_runs_nothing_of_a_runs(opened, address):
    page, seen = opened()
    assert seen == [address]  # no other request, no message, no alert
    assert page.title().endswith(": sequential recommendation")
    assert column(page, 2) == [NASTY, "Middle", "Bad"]
    assert NASTY in page.locator("#plot-0 .legendtext").first.text_content()


def test_a_click_on_a_heading_sorts_by_number_or_by_word(opened):
    page, _ = opened()
    table = page.locator("section").first
    head = table.locator("th")
    names = head.all_inner_texts()
    assert column(page, 1) == ["1", "2", "3"]
    test = names.index("test ndcg@10")
    head.nth(test).click()
    assert head.nth(test).get_attribute("aria-sort") == "ascending"
    assert column(page, 1) == ["3", "2", "1"]
    head.nth(test).click()
    assert column(page, 1) == ["1", "2", "3"]
    head.nth(names.index("model")).click()
    assert column(page, 2)[-1] == "Middle"
    better = names.index("better than")
    head.nth(better).click()
    assert column(page, better + 1)[-1] == ""  # empty cells stay last
    head.nth(better).click()
    assert column(page, better + 1)[-1] == ""


def test_it_is_dark_where_the_reader_is_and_light_at_a_click(opened):
    page, _ = opened(color_scheme="dark")
    back = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(back)
    assert max(map(int, dark.strip("rgb()").split(","))) < 60
    axis = "getComputedStyle(document.querySelector('#plot-0 .xtick text')).fill"
    pale = page.evaluate(axis)
    page.click("#theme")
    assert page.evaluate(back) == "rgb(255, 255, 255)"
    page.wait_for_function(f"{axis} != '{pale}'")  # the plots change colour, too


def test_a_plot_says_what_it_shows(opened):
    page, _ = opened()
    page.locator("#plot-0 .nsewdrag").scroll_into_view_if_needed()
    box = page.locator("#plot-0 .nsewdrag").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector("#plot-0 .hovertext")
    before = page.locator("#plot-0 .scatterlayer .trace").count()
    assert before == 3


def test_on_a_phone_only_tables_scroll_sideways(opened):
    page, _ = opened(viewport={"width": 390, "height": 844}, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    size = page.evaluate("parseFloat(getComputedStyle(document.querySelector('td')).fontSize)")
    assert size >= 13
