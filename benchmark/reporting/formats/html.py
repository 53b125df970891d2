"""HTML: one page without requests, with plots to point at and tables to sort, light and dark."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader

from benchmark.reporting.charts.palette import PALETTE
from benchmark.reporting.formats import figures, page
from benchmark.reporting.formats.numbers import FORMULA
from benchmark.reporting.section import shown_interval, with_deviation

if TYPE_CHECKING:  # types alone: their modules load MLflow and pandas, slowly
    from benchmark.reporting.content import Content
    from benchmark.reporting.leaderboard import Figure, Standing
    from benchmark.reporting.section import Table

TEMPLATE = "report.html.j2"
NUMBER = re.compile(r"[-+]?(< )?[\d.,]+(e-?\d+)?%?( ± [\d.,]+| to [-+]?[\d.,]+)?")
HIGH_IS_BEST = re.compile(r"(valid|test) |win$|coverage|novelty|recall|ndcg|mrr|hit|precision")
LONG = 12  # rows of a table that can be filtered


@dataclass(frozen=True)
class Cell:
    text: str
    bold: bool = False


@dataclass(frozen=True)
class Column:
    name: str
    cells: list[Cell]
    first_down: bool = False
    """Whether the first click sorts from the highest value on: the best first."""

    @cached_property
    def number(self) -> bool:
        """Whether all cells are numbers, which stand on the right."""
        return all(NUMBER.fullmatch(cell.text) for cell in self.cells if cell.text)


@dataclass(frozen=True)
class Shown:
    """A table of the page."""

    name: str
    columns: list[Column]
    ranked: bool = False
    """Whether the first two columns, place and model, stay in view."""
    numbers: list[int] = field(default_factory=list)
    """0, 1, ... of the rows."""

    @property
    def long(self) -> bool:
        return len(self.numbers) >= LONG


def render(content: Content, name: str) -> dict[str, str | bytes]:
    """NAME.html. Jinja escapes all text; the page contains plotly.js, which makes no request."""
    from plotly.offline import get_plotlyjs

    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    card = content.dataset.card
    drawn = [figures.figure(panel) for chart in content.charts for panel in chart.panels]
    trials, *others = content.sections
    text = templates.get_template(TEMPLATE).render(
        content=content,
        name=name,
        link=card if card and card.lower().startswith(("http://", "https://")) else None,
        leaderboard=_leaderboard(content),
        trials=trials,
        others=others,
        shown=_shown,
        height=figures.height,
        page=page.render(content.ranking.own, content.dataset.title, card),
        figures=_script(drawn),
        palette=_script(PALETTE),
        formula=_script(FORMULA.pattern),
        plotly=get_plotlyjs() if content.charts else "",
    )
    return {f"{name}.html": text}


def _leaderboard(content: Content) -> Shown:
    from benchmark.reporting.labels import settings_of  # loads MLflow

    board = content.leaderboard
    ranking = content.ranking
    standings = board.standings
    first, *others = board.metrics
    columns = [
        _column("rank", [str(standing.place) for standing in standings]),
        _column("model", [standing.row.entry for standing in standings]),
        Column(f"test {first}", [_figure(s.test.get(first)) for s in standings], True),
        _column("95% interval", [_interval(standing) for standing in standings]),
        *(Column(f"test {n}", [_figure(s.test.get(n)) for s in standings], True) for n in others),
        _column(f"valid {first}", [_valid(standing, first) for standing in standings]),
        _column("seconds", [_text(s.row.seconds, ",.1f") for s in standings]),
        _column("parameters", [_text(s.row.metric("parameters"), ",.0f") for s in standings]),
        _column("kWh", [_text(s.row.metric("energy_kwh"), ".3g") for s in standings]),
        _column("seeds", [str(len(standing.row.records)) for standing in standings]),
        _column("settings", [settings_of(s.row, ranking) for s in standings]),
    ]
    return _table("leaderboard", columns, ranked=True)


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


def _text(number: float | None, form: str) -> str:
    return "" if number is None else format(number, form)


def _shown(name: str, table: Table, ranked: bool = False) -> Shown:
    """A section's table."""
    columns = [_column(key, [str(row[key]) for row in table]) for key in table[0]]
    return _table(name, columns, ranked)


def _table(name: str, columns: list[Column], ranked: bool) -> Shown:
    kept = [column for column in columns if any(cell.text for cell in column.cells)]
    return Shown(name, kept, ranked, list(range(len(kept[0].cells))))


def _column(name: str, texts: list[str]) -> Column:
    return Column(name, [Cell(text) for text in texts], bool(HIGH_IS_BEST.match(name)))


def _script(value: object) -> str:
    """JSON that is safe inside a script element, whatever its strings are."""
    return json.dumps(value).replace("<", "\\u003c").replace("&", "\\u0026")
