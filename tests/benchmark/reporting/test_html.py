"""The HTML report, opened and clicked in a real browser."""

import csv

import numpy as np
import pytest
from mlflow import MlflowClient

from tests.benchmark.reporting.test_comparison import log
from tests.browser import chromium, opened
from tests.conftest import command, place

__all__ = ["chromium", "opened"]  # fixtures
pytestmark = pytest.mark.process

NASTY = "<script>document.title='broken'</script>|</script><img src=x onerror=alert(1)>"
FIRST_SCREEN = 900  # pixels
WIDTHS = {"screen": 1400, "phone": 390, "paper": 794}


def write(here, store):
    """The address of the report on experiment e."""
    words = ["python", "-m", "benchmark.report", "--experiment", "e", "--with-published"]
    output = ["--output", f"{here}/e.html", "--tracking-uri", store.tracking_uri, "--no-log"]
    done = command(*words, *output)
    assert done.returncode == 0, done.stderr
    return (here / "e.html").as_uri()


@pytest.fixture(scope="module")
def small(tmp_path_factory, new_database):
    """A report on three models. The name of one model is a script."""
    here = tmp_path_factory.mktemp("small")
    store = MlflowClient(place(new_database, here / "mlflow.db"))
    good = np.random.default_rng(0).integers(1, 30, 300)
    for model, ranks in {NASTY: good, "Middle": good + 2, "Bad": good + 15}.items():
        log(store, model, ranks)
    return write(here, store)


@pytest.fixture(scope="module")
def large(tmp_path_factory, new_database):
    """A report on six models with seven rates each, a page's figures, and trials without a
    result."""
    here = tmp_path_factory.mktemp("large")
    store = MlflowClient(place(new_database, here / "mlflow.db"))
    good = np.random.default_rng(0).integers(1, 30, 120)
    names = ("BERT4Rec", "SASRec", "GRU4Rec", "HSTU", "PersonalFrequency", "Popularity")
    for worse, model in enumerate(names):
        for rate in range(1, 8):
            log(store, model, good + worse + abs(rate - 4), rate=rate / 1000, synthetic="true")
    log(store, "BERT4Rec", good + 9, **{"seqrec.published": "page.md"})
    for status, tags in (("FAILED", {}), ("FINISHED", {"pruned": "after epoch 2"})):
        run = log(store, "SASRec", good, rate=0.5, **tags)
        store.delete_tag(run, "data_digest")
        store.set_terminated(run, status)
    return write(here, store)


def column(page, name, table="leaderboard"):
    """The texts of a column of the table, from top to bottom, in the rows that are shown."""
    names = page.locator(f"#{table} th").all_text_contents()
    cells = page.locator(f"#{table} tbody tr:not([hidden]) td:nth-child({names.index(name) + 1})")
    return cells.all_text_contents()


def click(page, name, table="leaderboard"):
    names = page.locator(f"#{table} th").all_text_contents()
    head = page.locator(f"#{table} th").nth(names.index(name))
    head.locator("button").click()
    return head.get_attribute("aria-sort")


def test_it_is_one_page_that_asks_for_nothing_and_runs_nothing_of_a_runs(opened, small):
    page, seen = opened(small)
    assert seen == [small]  # no other request, no message, no alert
    known = "e: experiment e, ndcg@10, 3 trials of 3 models, last trial 20"
    assert page.title().startswith(known)
    assert column(page, "model") == [NASTY, "Middle", "Bad"]
    assert NASTY in page.locator("#plot-0 .ytick").first.text_content()


def test_a_click_on_a_heading_sorts_by_value_the_best_first(opened, small):
    page, _ = opened(small)
    assert column(page, "rank") == ["1", "2", "3"]
    click(page, "model")
    assert column(page, "model") == [NASTY, "Bad", "Middle"]
    assert click(page, "test ndcg@10") == "descending"
    assert column(page, "rank") == ["1", "2", "3"]
    assert click(page, "test ndcg@10") == "ascending"
    assert column(page, "rank") == ["3", "2", "1"]
    for _ in range(2):  # empty cells stay last, whichever way
        click(page, "better than", "trials")
        assert column(page, "better than", "trials")[-1] == ""


def test_values_sort_as_what_they_mean(opened, small):
    page, _ = opened(small)
    table = page.locator("table", has=page.locator("th", has_text="metric")).first
    table.evaluate("table => table.id = 'metrics'")
    click(page, "metric", "metrics")
    names = column(page, "metric", "metrics")
    assert names.index("recall@5") < names.index("recall@10")
    assert page.evaluate("['8e-9', '< 1e-16', '1,000', '3'].sort(order)") == [
        "< 1e-16",
        "8e-9",
        "3",
        "1,000",
    ]


def test_it_is_dark_where_the_reader_is_and_light_at_a_click(opened, small):
    page, _ = opened(small, color_scheme="dark")
    back = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(back)
    assert max(map(int, dark.strip("rgb()").split(","))) < 60
    axis = "getComputedStyle(document.querySelector('#plot-0 .xtick text')).fill"
    dot = "getComputedStyle(document.querySelector('#plot-0 .point')).fill"
    pale, bright = page.evaluate(axis), page.evaluate(dot)
    page.click("#theme")
    assert page.evaluate(back) == "rgb(255, 255, 255)"
    page.wait_for_function(f"{axis} != '{pale}'")  # the plots change colour, too
    page.wait_for_function(f"{dot} != '{bright}'")


def test_a_plot_says_what_it_shows(opened, small):
    page, _ = opened(small)
    dots = page.locator("#plot-0 .point")
    assert dots.count() == 3
    dots.nth(1).hover(force=True)
    page.wait_for_selector("#plot-0 .hovertext")
    assert "95% interval" in page.locator("#plot-0 .hovertext").text_content()
    assert page.locator(".modebar-btn").count() == 0


@pytest.mark.parametrize("medium", WIDTHS)
@pytest.mark.parametrize("report", ["small", "large"])
def test_the_page_fits_and_its_first_screen_decides(opened, request, report, medium):
    """Nothing is wider than the window but the tables; the verdict and the leaderboard's metric are
    in view."""
    width = WIDTHS[medium]
    view = {"width": width, "height": FIRST_SCREEN}
    page, _ = opened(request.getfixturevalue(report), viewport=view, is_mobile=medium == "phone")
    if medium == "paper":
        page.emulate_media(media="print")
        assert page.evaluate("document.getElementById('leaderboard').offsetWidth") <= width
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    size = page.evaluate("parseFloat(getComputedStyle(document.querySelector('td')).fontSize)")
    assert size >= (9 if medium == "paper" else 13)
    verdict = page.locator(".verdict").bounding_box()
    assert verdict["y"] + verdict["height"] < FIRST_SCREEN
    for cell in page.locator("#leaderboard tbody td:nth-child(3)").all():
        box = cell.bounding_box()
        assert box["y"] + box["height"] <= FIRST_SCREEN
        assert box["x"] + box["width"] <= width


def test_synthetic_data_are_named_in_the_title(opened, large, small):
    page, _ = opened(large)
    assert page.locator("h1 .badge").text_content() == "SYNTHETIC"
    assert "[SYNTHETIC]" in page.title()
    page, _ = opened(small)
    assert page.locator("h1 .badge").count() == 0


def test_many_rows_are_folded_filtered_and_written_as_csv(opened, large, tmp_path):
    page, _ = opened(large, accept_downloads=True)
    assert column(page, "model")[-1] == "BERT4Rec (published)"
    assert len(column(page, "model")) == 7
    assert not page.locator("#trials").is_visible()
    page.locator("#rows summary").first.click()
    assert page.locator("#trials").is_visible()
    assert len(column(page, "rank", "trials")) == 43
    page.get_by_label("Filter rows of trials").fill("sasrec 0.004")
    assert column(page, "model", "trials") == ["SASRec"]
    page.locator("[data-table=trials] summary").click()
    page.get_by_role("checkbox", name="learning_rate").uncheck()
    with page.expect_download() as download:
        page.locator("[data-table=trials] [data-name]").click()
    assert download.value.suggested_filename == "e-trials.csv"
    download.value.save_as(tmp_path / "t.csv")
    (row,) = csv.DictReader((tmp_path / "t.csv").read_text().splitlines())
    assert (row["model"], row["rank"]) == ("SASRec", column(page, "rank", "trials")[0])
    assert "learning_rate" not in row


def test_the_heading_and_the_model_stay_in_view(opened, large):
    page, _ = opened(large, viewport={"width": 800, "height": 600})
    page.locator("#rows summary").first.click()
    page.evaluate("document.querySelector('#trials').parentElement.scrollTo(300, 400)")
    table = page.locator("#trials").locator("..").bounding_box()
    row = page.locator("#trials tbody tr").nth(15)
    head = page.locator("#trials th").nth(4).bounding_box()
    model = row.locator("td").nth(1).bounding_box()
    assert head["y"] == pytest.approx(table["y"], abs=2)
    assert table["x"] < model["x"] < table["x"] + 80


def test_a_cell_that_reads_as_a_formula_is_harmless_in_the_csv(opened, small):
    page, _ = opened(small)
    assert page.evaluate("['=1+1', '-0.5', 'a;=b', '+0.1 to 0.2'].map(quoted)") == [
        '"\'=1+1"',
        '"-0.5"',
        '"a;\'=b"',
        '"\'+0.1 to 0.2"',
    ]
