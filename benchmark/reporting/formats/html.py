"""HTML: one page without requests, with plots to point at and tables to sort, light and dark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.reporting.formats import page, tables, templates
from benchmark.reporting.formats.tables import Cell, Column, Shown
from benchmark.reporting.section import shown_interval, with_deviation
from benchmark.reporting.words import number

if TYPE_CHECKING:  # types alone: their modules load MLflow and pandas, slowly
    from benchmark.reporting.content import Content
    from benchmark.reporting.leaderboard import Figure, Standing
    from benchmark.reporting.section import Table

TEMPLATE = "report.html.j2"


def render(content: Content, name: str) -> dict[str, str | bytes]:
    """NAME.html."""
    card = content.dataset.card
    trials, *others = content.sections
    text = templates.render(
        TEMPLATE,
        content.charts,
        content=content,
        name=name,
        link=card if card and card.lower().startswith(("http://", "https://")) else None,
        leaderboard=_leaderboard(content),
        trials=trials,
        others=others,
        shown=_shown,
        page=page.render(content.ranking.own, content.dataset.title, card),
    )
    return {f"{name}.html": text}


def _leaderboard(content: Content) -> Shown:
    from benchmark.reporting.labels import settings_of  # loads MLflow

    board = content.leaderboard
    ranking = content.ranking
    standings = board.standings
    first, *others = board.metrics
    column = tables.column
    columns = [
        column("rank", [str(standing.place) for standing in standings]),
        column("model", [standing.row.entry for standing in standings]),
        Column(f"test {first}", [_figure(s.test.get(first)) for s in standings], True),
        column("95% interval", [_interval(standing) for standing in standings]),
        *(Column(f"test {n}", [_figure(s.test.get(n)) for s in standings], True) for n in others),
        column(f"valid {first}", [_valid(standing, first) for standing in standings]),
        column("seconds", [number(s.row.seconds, ",.1f") for s in standings]),
        column("parameters", [number(s.row.metric("parameters"), ",.0f") for s in standings]),
        column("kWh", [number(s.row.metric("energy_kwh"), ".3g") for s in standings]),
        column("seeds", [str(len(standing.row.records)) for standing in standings]),
        column("settings", [settings_of(s.row, ranking) for s in standings]),
    ]
    return tables.table("leaderboard", columns, ranked=True)


def _interval(standing: Standing) -> str:
    if standing.interval is None:
        return ""
    return shown_interval(*standing.interval)


def _figure(figure: Figure | None) -> Cell:
    if figure is None:
        return Cell("")
    return Cell(with_deviation(figure.mean, figure.deviation), figure.level)


def _valid(standing: Standing, metric: str) -> str:
    row = standing.row
    if metric not in row.valid:
        return ""
    return with_deviation(row.valid[metric], row.deviation("valid", metric))


def _shown(name: str, found: Table, ranked: bool = False) -> Shown:
    """A section's table."""
    columns = [tables.column(key, [str(row[key]) for row in found]) for key in found[0]]
    return tables.table(name, columns, ranked)
