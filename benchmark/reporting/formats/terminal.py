"""The terminal: the verdict, the best row of each model, all rows, and what is not ranked."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING
from unicodedata import combining, east_asian_width

import click
from tabulate import tabulate

from benchmark.reporting.formats.board import alignments, best_rows, marks

if TYPE_CHECKING:  # types alone: their modules load MLflow and pandas, slowly
    from benchmark.reporting.comparison import Comparison
    from benchmark.reporting.leaderboard import Leaderboard
    from benchmark.reporting.ranking import Ranking
    from benchmark.reporting.section import Table

# Columns that a narrow terminal may go without, by how their names begin; the most important first,
# and all others after them.
OPTIONAL = (
    *("95% interval", "seeds", "better than", "test ", "parameters", "kWh", "run"),
    *("points tried", "best epoch", "with seeds", "MB"),
)
FLEXIBLE = ("settings", "model")  # their cells may have several lines
COMFORTABLE = 24  # characters in such a line, as long as there is another column to drop
NARROWEST = 10  # as wide as tabulate makes the heading "settings"
GAP = 2  # between two columns
PADDING = 2  # tabulate makes a column at least so much wider than its heading
MOST_REASONS = 6
NUMBER = re.compile(r"\b\d+(\.\d+)?(e[-+]?\d+)?\b")
COMMAND = re.compile(r"\b(mlflow run|python -m|seqrec) .*")


def render(
    ranking: Ranking,
    comparison: Comparison | None,
    board: Leaderboard,
    verdict: list[str],
    *,
    width: int | None,
    bold: bool,
) -> str:
    """What is printed. ``width`` is that of the terminal in characters; None has no end.

    If ``bold``, the best test metrics and those that are not significantly worse are in bold.
    """
    from benchmark.reporting.sections import trials  # loads MLflow

    rows = trials(ranking, comparison, folded=True)
    best = best_rows(rows, board, in_bold if bold else str)
    lines = [filled(sentence, width) for sentence in verdict]
    several_models = len(best) > 1
    several_rows_of_a_model = len(best) < len(rows)
    if several_models:
        lines.append("")
        if several_rows_of_a_model:
            lines.append(filled("The best row of each model on validation:", width))
        lines.append(_table(best, ranking.metric, width))
        if bold and (sentence := marks(board, comparison)):
            lines += ["", filled(sentence, width)]
    if several_rows_of_a_model or not several_models:
        lines.append("")
        if several_models:
            lines.append(f"All {len(rows)} rows:")
        lines.append(_table(rows, ranking.metric, width))
    lines.append("")
    lines += [filled(f"not ranked: {reason}", width) for reason in _reasons(ranking)]
    if ranking.left_out:
        others = f"published trials, ranked by --with-published: {ranking.left_out}"
        lines.append(filled(others, width))
    return "\n".join(lines).strip("\n")


def _table(rows: Table, metric: str, width: int | None) -> str:
    last = ["seconds", f"valid {metric}"]
    names = fitting(rows, width, {"rank", *FLEXIBLE, f"test {metric}"}, last)
    return table(rows, names, width)


def fitting(
    rows: Table, width: int | None, kept: Collection[str], last: Sequence[str] = ()
) -> list[str]:
    """The names of the columns that fit into the width, of those ``kept`` all. Those of ``last``
    are dropped after all others."""
    names = list(rows[0])
    if width is None:
        return names
    widths = {name: _width(name, rows) for name in names}
    others = [name for name in reversed(names) if name not in kept and name not in last]
    _drop(widths, sorted(others, key=_importance), width, COMFORTABLE)
    _drop(widths, last, width, NARROWEST)
    return list(widths)


def table(rows: Table, names: list[str], width: int | None) -> str:
    """The columns of these names; headings and long words have several lines if there is a
    width."""
    limits = {} if width is None else _limits({name: _width(name, rows) for name in names}, width)
    return tabulate(
        [[row[name] for name in names] for row in rows],
        headers=[name if width is None else name.replace(" ", "\n") for name in names],
        tablefmt="simple",
        disable_numparse=True,
        colalign=alignments(rows, names),
        maxcolwidths=[limits.get(name) for name in names],
    )


def _width(name: str, rows: Table) -> int:
    heading = max(map(len, name.split())) + PADDING
    return max(heading, *(_length(str(row[name])) for row in rows))


def _importance(name: str) -> int:
    found = (at for at, beginning in enumerate(OPTIONAL) if name.startswith(beginning))
    return -next(found, len(OPTIONAL))


def _length(text: str) -> int:
    """Its width in a terminal, in characters."""
    text = click.unstyle(text)
    return sum(0 if combining(c) else 1 + (east_asian_width(c) in "WF") for c in text)


def _drop(widths: dict[str, int], names: Sequence[str], width: int, flexible: int) -> None:
    """Drop the columns of these names until the others fit."""
    for name in names:
        least = {n: min(w, flexible) if n in FLEXIBLE else w for n, w in widths.items()}
        if _total(least) <= width:
            return
        widths.pop(name, None)


def _limits(widths: dict[str, int], width: int) -> dict[str, int]:
    """The longest lines of the flexible columns."""
    found = {n: min(w, COMFORTABLE) if n in FLEXIBLE else w for n, w in widths.items()}
    for name in FLEXIBLE:
        if name in widths:
            spare = width - _total(found)
            found[name] = max(NARROWEST, min(widths[name], found[name] + spare))
    return {name: found[name] for name in FLEXIBLE if name in found}


def _total(widths: dict[str, int]) -> int:
    return sum(widths.values()) + GAP * (len(widths) - 1)


def _reasons(ranking: Ranking) -> list[str]:
    """Why how many trials are not ranked. Reasons that differ in numbers alone are one."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for _, reason in ranking.not_ranked:
        kinds[NUMBER.sub("…", reason)].append(reason)
    counts = [(len(k), k[0] if len(set(k)) == 1 else name) for name, k in kinds.items()]
    counts.sort(key=lambda count: -count[0])
    if len(counts) > MOST_REASONS:
        others = sum(count for count, _ in counts[MOST_REASONS - 1 :])
        counts = [*counts[: MOST_REASONS - 1], (others, "for other reasons")]
    return [f"{count} {reason}" for count, reason in counts]


def in_bold(text: str) -> str:
    """With the terminal's escapes for bold."""
    return click.style(text, bold=True)


def width_here() -> int | None:
    """The width of the terminal, or $COLUMNS. None for a file or a pipe, which have no end: a
    program or a later reader gets every column."""
    columns = shutil.get_terminal_size(fallback=(0, 0)).columns
    return columns or None


def filled(text: str, width: int | None) -> str:
    """The text in lines of the width. A command stays whole, to be copied."""
    if width is None:
        return text
    text = COMMAND.sub(lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), text)
    lines = textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)
    return lines.replace("\N{NO-BREAK SPACE}", " ")
