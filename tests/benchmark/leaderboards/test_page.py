"""The page of a leaderboard, opened and used in a real browser."""

import csv
from dataclasses import replace

import pytest

from benchmark.leaderboards.board import Board, Cell, Column, Entry, Outcome
from benchmark.leaderboards.html import render
from benchmark.leaderboards.overall import overall
from tests.benchmark.leaderboards import boards
from tests.browser import chromium, opened

__all__ = ["chromium", "opened"]  # fixtures
pytestmark = pytest.mark.process

NASTY = "<script>document.title='broken'</script>|</script><img src=x onerror=alert(1)>\"'"
VERDICT = ["BERT4Rec has the best mean rank.", "Caution: synthetic data."]


def written(folder, board):
    """The address of the board's page."""
    text = render(board, overall(board), VERDICT)
    (folder / "index.html").write_text(text, encoding="utf-8")
    return (folder / "index.html").as_uri()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    return written(tmp_path_factory.mktemp("page"), boards.realistic())


def heads(page):
    """The names of the columns that are shown."""
    return page.locator("#board thead th:not([hidden]) button").all_text_contents()


def names(page):
    """The names of the rows that are shown, from top to bottom."""
    rows = page.locator("#board tbody tr:not([hidden]) th")
    return rows.evaluate_all("rows => rows.map(row => row.dataset.text)")


def cell(page, model, dataset):
    rows = page.locator("#board tbody tr").filter(has=page.locator(f'th[data-text="{model}"]'))
    at = page.locator("#board thead th button").all_text_contents().index(dataset)
    return rows.locator("th, td").nth(at)


def choose(page, group, *choices):
    """Check exactly these choices of a group."""
    menu = page.locator(f"[data-group={group}]")
    menu.locator("summary").click()
    boxes = menu.locator("[type=checkbox]")
    for at in range(boxes.count()):
        boxes.nth(at).set_checked(boxes.nth(at).get_attribute("value") in choices)
    menu.locator("summary").click()


def sort(page, column):
    page.locator("#board thead").get_by_text(column, exact=True).click()


def test_each_cell_says_what_limits_it_or_why_it_is_empty(opened, address):
    page, seen = opened(address)
    assert seen == [address]  # no other request, no message
    assert cell(page, "SASRec", "Amazon Beauty").inner_text().split("\n")[1] == "one seed, untuned"
    assert cell(page, "GRU4Rec", "Amazon Beauty").inner_text() == "failed"
    assert cell(page, "SASRec (scored)", "The Complete Journey").inner_text() == "missing"
    assert cell(page, "BERT4Rec", "Yelp").inner_text() == "not available"
    assert "±" in cell(page, "BERT4Rec", "MovieLens-1M").inner_text()
    best = page.locator("#board td.data.best")
    assert best.count() == 4  # of each data set with results
    head = page.locator("#board thead th", has_text="Demo")
    assert head.locator(".badge").inner_text() == "SYNTHETIC"
    assert "temporal" in page.locator("#board thead th", has_text="The Complete").inner_text()
    assert page.locator(".verdict p").first.inner_text() == VERDICT[0]
    left = page.locator(".left")
    assert left.locator("summary").inner_text().startswith("5 left out")
    assert "Yelp: the data are not at data/yelp.json" in left.text_content()


def test_models_outside_the_comparison_stand_last_without_a_rank(opened, address):
    page, _ = opened(address)
    found = overall(boards.realistic())
    compared = [place.entry.name for place in found.places]
    shown = names(page)
    assert shown[: len(compared)] == compared
    for at, name in enumerate(shown):
        rank = cell(page, name, "mean rank").inner_text()
        assert rank == (f"{found.places[at].mean_rank:.2f}" if at < len(compared) else "")


def test_filters_hide_rows_and_columns_and_say_so(opened, address):
    page, _ = opened(address)
    assert not page.locator("#shown").is_visible()
    choose(page, "data", "MovieLens-1M", "Demo")
    assert heads(page)[:4] == ["model", "MovieLens-1M", "Demo", "mean rank"]
    assert "9 of 9 models, 2 of 5 data sets" in page.locator("#shown").inner_text()
    assert "those of the whole page" in page.locator("#shown").inner_text()
    choose(page, "kind", "learned", "published")
    assert "SLIM" not in names(page)
    assert "SASRec (scored)" not in names(page)
    page.fill("#limit", "1850")  # SASRec takes 1,900 s on MovieLens-1M
    assert names(page) == ["GRU4Rec", "GRU4Rec (published)"]
    unknown = page.locator(".untimed:visible")
    assert unknown.all_inner_texts() == ["seconds not known"]
    page.fill("#text", "gru published")
    assert names(page) == ["GRU4Rec (published)"]
    page.click("#reset")
    page.wait_for_selector("#shown", state="hidden")
    assert len(names(page)) == 9
    choose(page, "protocol", boards.SPLIT_BY_TIME)
    assert heads(page)[:3] == ["model", "The Complete Journey", "mean rank"]
    choose(page, "origin", "lab-b")
    assert names(page) == ["SASRec from lab-b"]


def test_columns_sort_the_best_first_and_empty_cells_last(opened, address):
    page, _ = opened(address)
    sort(page, "Amazon Beauty")
    assert names(page)[0] == "SASRec"
    assert set(names(page)[-2:]) == {"GRU4Rec", "GRU4Rec (published)"}
    sort(page, "Amazon Beauty")
    assert names(page)[0] == "Popularity"
    assert set(names(page)[-2:]) == {"GRU4Rec", "GRU4Rec (published)"}
    sort(page, "wins")
    assert names(page)[0] == "BERT4Rec"
    sort(page, "model")
    assert names(page)[:2] == ["BERT4Rec", "GRU4Rec"]


def test_the_view_is_in_the_link_and_in_the_history(opened, address):
    page, _ = opened(address, color_scheme="light")
    choose(page, "data", "MovieLens-1M", "Demo")
    sort(page, "Demo")
    before = names(page)
    page.fill("#text", "rec ")
    page.click("#theme")
    view = (heads(page), names(page))
    assert names(page) != before
    other, _ = opened(page.url, color_scheme="light")
    assert (heads(other), names(other)) == view
    assert other.evaluate("document.documentElement.dataset.theme") == "dark"
    assert "Data sets: 2 of 5" in other.locator("#filters").inner_text()
    for _ in range(2):  # the theme, then the order (with the text, which makes no step)
        page.go_back()
    page.wait_for_function("document.querySelectorAll('#board [aria-sort]').length === 0")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    assert heads(page)[:3] == ["model", "MovieLens-1M", "Demo"]
    page.go_forward()
    page.wait_for_selector("#board [aria-sort]")


def test_details_open_and_close_by_keyboard(opened, address):
    page, _ = opened(address)
    figure = cell(page, "BERT4Rec", "MovieLens-1M").locator("button")
    figure.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    text = dialog.inner_text()
    known = ("BERT4Rec on MovieLens-1M", "lr=0.002, + SLIM", "recall@10", "seed 3", "-P seed=2")
    assert [words for words in known if words not in text] == []
    assert dialog.get_by_role("link").first.get_attribute("href").startswith("https://mlflow")
    assert dialog.locator("a[href='ml-1m.html']").count() == 1
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert figure.evaluate("figure => figure === document.activeElement")
    cell(page, "GRU4Rec", "Amazon Beauty").locator("button").click()
    assert "out of memory: 16.2 GB of 16 GB" in dialog.inner_text()
    page.click("#close")
    assert not dialog.is_visible()


def test_a_command_is_copied(opened, address):
    page, _ = opened(address, permissions=["clipboard-read", "clipboard-write"])
    cell(page, "Markov", "MovieLens-1M").locator("button").click()
    page.get_by_role("button", name="Copy command").click()
    page.wait_for_selector("text=Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "mlflow run . -P dataset=ml-1m -P model=Markov -P seed=1"


def test_names_are_never_markup_links_or_formulas(opened, tmp_path):
    entries = [
        Entry(NASTY, "learned", origin=NASTY),
        Entry("=1+1", "counted"),
        Entry("-2", "counted"),
    ]
    columns = []
    test = {"ndcg@10": 0.2, NASTY: 0.1}
    link = "javascript:alert(1)"
    outcome = Outcome(NASTY, 1, test, commit=NASTY, command=NASTY, link=link)
    result = Cell((outcome,), settings=NASTY, points_tried=1, device=NASTY)
    for title in (NASTY, "=cmd()"):
        cells = dict.fromkeys(entries, result)
        found = Column(NASTY, title, NASTY, NASTY, cells=cells, report=link)
        gone = replace(found, title=f"{title} 2", unavailable=NASTY, cells={})
        columns += [found, gone]
    page, seen = opened(written(tmp_path, Board("ndcg@10", tuple(columns), title=NASTY)))
    assert len(seen) == 1
    assert page.title().startswith(NASTY)
    assert heads(page)[1] == NASTY
    page.locator("#board [data-detail]").first.click()
    dialog = page.get_by_role("dialog")
    assert dialog.inner_text().count(NASTY) >= 6
    links = page.locator("a").evaluate_all("links => links.map(link => link.protocol)")
    assert set(links) == {"file:"}
    page.keyboard.press("Escape")
    choose(page, "data", NASTY)
    opened(page.url)
    with page.expect_download() as download:
        page.locator("[data-name='leaderboard.csv']").click()
    download.value.save_as(tmp_path / "t.csv")
    rows = list(csv.reader((tmp_path / "t.csv").read_text(encoding="utf-8").splitlines()))
    assert [row[0] for row in rows] == ["model", f"{NASTY} from {NASTY}", "'=1+1", "-2"]
    assert rows[1][1] == "0.2000 (one seed, untuned)"
    assert len(seen) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_the_page_fits_and_the_table_scrolls_in_its_box(opened, address, width, scheme):
    view = {"width": width, "height": 844}
    page, _ = opened(address, viewport=view, color_scheme=scheme, is_mobile=width == 390)
    wide = "document.documentElement.scrollWidth"
    assert page.evaluate(wide) <= width
    page.locator("#board").evaluate("board => board.parentElement.scrollTo(200, 0)")
    name = page.locator("#board tbody th").first.bounding_box()
    box = page.locator("#board").locator("..").bounding_box()
    assert name["x"] == pytest.approx(box["x"], abs=2)
    page.locator("[data-group=data] summary").click()
    assert page.evaluate(wide) <= width
    page.keyboard.press("Escape")
    cell(page, "BERT4Rec", "MovieLens-1M").locator("button").click()
    assert page.evaluate(wide) <= width
    inside = page.get_by_role("dialog").bounding_box()
    assert inside["x"] >= 0
    assert inside["x"] + inside["width"] <= width


def test_a_hundred_data_sets_and_fifty_models(opened, tmp_path):
    page, seen = opened(written(tmp_path, boards.large()), viewport={"width": 1280, "height": 800})
    assert len(seen) == 1
    assert page.locator("#board tbody tr").count() == 50
    assert page.locator("#board thead th").count() == 105
    rank = page.get_by_role("columnheader", name="mean rank").bounding_box()
    assert rank["x"] + rank["width"] <= 1280  # it stays in view, as the model does
    page.locator("[data-group=data] summary").click()
    page.get_by_label("Find in data sets").fill("set 7")
    page.locator("[data-group=data]").get_by_role("button", name="None").click()
    assert "89 of 100 data sets" in page.locator("#shown").inner_text()


def test_data_sets_without_a_common_model_have_no_mean_ranks(opened, tmp_path):
    board = boards.realistic()
    (tmp_path / "index.html").write_text(
        render(replace(board, columns=board.columns[:1]), None, []), encoding="utf-8"
    )
    page = opened((tmp_path / "index.html").as_uri(), plots=False)[0]
    assert "no mean ranks" in page.locator(".notes").inner_text()
    assert heads(page) == ["model", "MovieLens-1M"]
