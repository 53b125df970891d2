"""What the charts of a report show: which rows are joined, who is level, who is worth its cost."""

import itertools
from contextlib import contextmanager

import pytest
import sqlalchemy
from mlflow.entities import Param

from benchmark.reporting.charts import curves, groups, palette, results, search
from benchmark.reporting.charts.chart import axis_of
from benchmark.reporting.comparison import compare
from benchmark.reporting.formats import figures
from benchmark.reporting.formats.drawing import draw
from benchmark.reporting.leaderboard import leaderboard
from benchmark.reporting.ranking import order
from benchmark.tracking.reading.ranks import ranks as read_ranks
from benchmark.tracking.reading.trials import records
from tests.benchmark.reporting.test_comparison import log, ranks

__all__ = ["ranks"]  # fixtures
PNG = b"\x89PNG\r\n"


def content(store):
    """The ranking, the comparison, the leaderboard, and the models' numbers."""
    ranking = order(records(store, "e"), "ndcg@10")
    tables = read_ranks(store, ranking.records, "test").tables
    comparison = compare(ranking, tables, "ndcg@10", "t")
    entries = dict.fromkeys(row.entry for row in ranking.rows)
    models = {entry: number for number, entry in enumerate(entries)}
    return ranking, comparison, leaderboard(ranking, comparison), models


def swept(store, ranks):
    """Two models, three rates and two dropouts each, and a page's rates."""
    for worse, model in enumerate(("A", "B")):
        for rate, dropout in itertools.product((0.001, 0.01, 0.1), (0.1, 0.2)):
            found = ranks["Good"] + worse + int(10 * dropout)
            run = log(store, model, found, rate=rate)
            store.log_batch(run, params=[Param("dropout", str(dropout))])
    for rate in (0.001, 0.1):
        log(store, "A", ranks["Good"], rate=rate, **{"seqrec.published": "page.md"})


def test_only_rows_that_differ_in_the_setting_alone_are_joined(store, ranks):
    swept(store, ranks)
    ranking, _, _, models = content(store)
    chart = search.settings(ranking, models)
    by_dropout, by_rate = chart.panels
    assert [panel.title for panel in chart.panels] == ["By dropout", "By learning_rate"]
    # A line for each rate of each own model; published rows have no dropout.
    assert [len(series.x) for series in by_dropout.series] == [2] * 6
    of_rate = {(series.name, series.hollow, len(series.x)) for series in by_rate.series}
    assert of_rate == {("A", False, 3), ("B", False, 3), ("A (published)", True, 2)}
    assert len(by_rate.series) == 5
    assert by_rate.x.logarithmic
    assert not by_dropout.x.logarithmic
    for panel in chart.panels:
        for series in panel.series:
            assert series.model == models[series.name]
    assert draw(chart).startswith(PNG)


def test_importance_and_parallel_coordinates_of_a_search(store, ranks):
    swept(store, ranks)
    ranking, _, _, models = content(store)
    first, second = search.importance(ranking, models).panels
    assert (first.title, second.title) == ("A, 6 rows", "B, 6 rows")
    (bars,) = first.series
    assert dict(zip(first.y.labels, bars.x, strict=True))["dropout"] > 0.9  # it alone decides
    chart, _ = search.parallel(ranking)
    rows = [series for series in chart.panels[0].series if series.shade is not None]
    assert len(rows) == 6
    assert [series.shade for series in rows] == sorted(series.shade for series in rows)
    assert all(0 <= value <= 1 for series in rows for value in series.y)
    history = search.history(ranking, models)
    best = history.panels[0].series[0]
    assert list(best.y) == sorted(best.y)
    for drawn in (chart, history):
        assert draw(drawn).startswith(PNG)


def test_settings_without_any_effect_have_no_importance(store, ranks):
    for rate, dropout in itertools.product((0.001, 0.01), (0.1, 0.2)):
        run = log(store, "A", ranks["Good"], rate=rate)
        store.log_batch(run, params=[Param("dropout", str(dropout))])
    ranking, _, _, models = content(store)
    assert search.importance(ranking, models) is None


def test_a_chart_of_too_many_rows_shows_some_of_them_and_says_so(store, ranks, monkeypatch):
    swept(store, ranks)
    monkeypatch.setattr(search, "MOST_LINES", 4)
    monkeypatch.setattr(search, "MOST_ROWS", 5)
    ranking, _, _, models = content(store)
    chart, _ = search.parallel(ranking)
    rows = [series for series in chart.panels[0].series if series.shade is not None]
    assert [rows[0].shade, rows[-1].shade] == [0, 1]  # the worst and the best among them
    assert len(rows) == 4
    assert "4 of 6 rows are shown" in chart.note
    chart = search.importance(ranking, models)
    assert [panel.title for panel in chart.panels] == ["A, 5 of 6 rows", "B, 5 of 6 rows"]
    assert "it sees 5, evenly spaced" in chart.note
    chart = search.settings(ranking, models)
    assert [len(panel.series) for panel in chart.panels] == [4, 4]
    assert "The 4 lines with the best rows are shown." in chart.note


def test_reading_more_trials_takes_no_more_queries(store, ranks):
    counts = []
    for rate in (0.1, 0.2):
        for seed in range(3):
            log(store, "A", ranks["Good"], rate=rate, seed=seed)
        statements = []
        with listening(statements):
            order(records(store, "e"), "ndcg@10")
        counts.append(len(statements))
    assert counts[0] == counts[1] > 0


@contextmanager
def listening(statements):
    """Note the statements that a database gets."""

    def note(*args):
        statements.append(args[2])

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", note)
    yield
    sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", note)


def test_three_models_or_more_have_a_critical_difference(store, ranks):
    for model in ("Good", "Twin"):
        log(store, model, ranks[model])
    _, comparison, board, models = content(store)
    assert results.critical_differences(board, comparison, models) is None
    log(store, "Bad", ranks["Bad"])
    _, comparison, board, models = content(store)
    chart = results.critical_differences(board, comparison, models)
    joined = [series.hover[0] for series in chart.panels[0].series if series.mark == "line"]
    assert len(joined) == 2  # Good and Twin, and the critical difference itself
    assert set(joined[0].removeprefix("no significant difference: ").split(", ")) == {
        "Good",
        "Twin",
    }
    assert draw(chart).startswith(PNG)


def test_the_front_is_what_no_other_beats_at_a_lower_cost(store, ranks):
    points = [(1.0, 0.1), (2.0, 0.3), (2.0, 0.2), (3.0, 0.3), (4.0, 0.4)]
    assert results.pareto(points) == [(1.0, 0.1), (2.0, 0.3), (4.0, 0.4)]
    for model in ("Good", "Bad"):
        run = log(store, model, ranks[model])
        store.log_metric(run, "energy_kwh", 0.1, step=1)
    ranking, _, board, models = content(store)
    chart = results.cost(ranking, board, models)
    assert [panel.x.title for panel in chart.panels] == ["seconds", "parameters", "kWh"]


def test_curves_have_the_searched_values_in_the_legend_and_one_colour_for_a_model(store, ranks):
    for model, rate in (("A", 0.1), ("A", 0.2), ("B", 0.1)):
        log(store, model, ranks["Good"] + len(model) + int(rate * 20), rate=rate)
    ranking, _, _, models = content(store)
    by_epoch = {record.run_id: {1: 0.1, 2: 0.2} for record in ranking.records}
    chart = curves.learning_curves(ranking, [1, 2, 3], by_epoch, models)
    series = chart.panels[0].series
    assert {s.name.split(" ", 1)[1] for s in series} == {"A lr=0.1", "A lr=0.2", "B"}
    of_a = [s for s in series if s.name.split()[1] == "A"]
    assert len({s.model for s in of_a}) == 1
    assert {s.style for s in of_a} == {0, 1}
    assert chart.panels[0].x.integer
    assert "epoch 2: 0.2000" in series[0].hover[1]


def test_groups_of_users_are_small_multiples(store, ranks):
    for model in ("Good", "Bad"):
        log(store, model, ranks[model])
    _, comparison, board, models = content(store)
    chart = groups.slices(comparison, board, models)
    titles = [panel.title for panel in chart.panels]
    assert titles[:2] == ["By history length", "By target popularity"]
    figure = figures.figure(chart.panels[0])
    assert figure["models"] == [0, 1]
    assert draw(chart).startswith(PNG)


def test_every_colour_is_seen_on_its_page():
    """At least 4.5 to 1 (WCAG 2.2, 1.4.3)."""
    assert palette.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert palette.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    for theme, page in (("light", palette.PAPER), ("dark", palette.NIGHT)):
        colours = [*palette.PALETTE[theme], palette.NEUTRAL[theme], palette.SHADES[theme][1]]
        assert all(palette.contrast(colour, page) >= 4.5 for colour in colours)
    assert len(set(palette.LIGHT)) == len(set(palette.DARK)) == len(palette.LIGHT)


def test_words_stand_side_by_side_on_an_axis_and_numbers_at_themselves():
    axis, at = axis_of("schedule", ["plateau", "cosine", 3])
    assert axis.labels == ["3", "cosine", "plateau"]
    assert at == {3: 0.0, "cosine": 1.0, "plateau": 2.0}
    axis, at = axis_of("rate", [0.1, 0.001])
    assert (axis.labels, axis.logarithmic, at[0.1]) == (["0.001", "0.1"], True, 0.1)
