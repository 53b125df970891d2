"""The board as Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

from tabulate import tabulate

from benchmark.leaderboards.board import Board, Column, Entry
from benchmark.leaderboards.overall import Overall, ordered
from benchmark.leaderboards.shown import (
    best,
    figure,
    left_out,
    reason,
    remarks,
    scope,
    standing,
    state,
    titled,
)
from benchmark.recbole.links import quoted
from benchmark.reporting.formats import latex, markdown, terminal
from benchmark.reporting.formats.numbers import harmless
from benchmark.reporting.section import Table
from benchmark.reporting.sections import short_commit

Mark = Callable[[str], str]
"""Marks a text as the best."""


def table(board: Board, found: Overall | None, mark: Mark = str, escape: Mark = str) -> Table:
    """Models by data sets, and how the models stand over them: text for each cell.

    ``escape`` makes a text harmless in the format.
    """
    rows: Table = []
    for entry in ordered(board, found):
        row: dict[str, object] = {"model": escape(entry.name)}
        for column in board.columns:
            row[escape(titled(column))] = _cell(board, column, entry, mark, escape)
        row |= {escape(name): text for name, text in standing(found, entry).items()}
        rows.append(row)
    return rows


def _cell(board: Board, column: Column, entry: Entry, mark: Mark, escape: Mark) -> str:
    if missing := state(column, entry):
        return escape(missing)
    cell = column.cells[entry]
    text = escape(figure(cell, board.metric))
    text = mark(text) if best(board, column, entry) else text
    limits = remarks(entry, cell)
    return f"{text} ({escape(', '.join(limits))})" if limits else text


def notes(board: Board, found: Overall | None, bold: bool = True) -> list[str]:
    """The sentences below the table: what its figures are, and which models and data sets are
    compared or left out. ``bold``: the best are marked."""
    without = left_out(found) if found else []
    text = f"Left out: {'; '.join(f'{name} ({why})' for name, why in without)}."
    return [*scope(board, found, bold), *[text] * bool(without)]


def render_terminal(
    board: Board, found: Overall | None, verdict: list[str], *, width: int | None, bold: bool
) -> str:
    """What is printed; ``width`` and ``bold`` as in ``terminal.render``."""
    rows = table(board, found, terminal.in_bold if bold else str)
    lines = [terminal.filled(sentence, width) for sentence in verdict]
    if rows:
        names = terminal.fitting(rows, width, {"model", "mean rank"})
        lines += ["", terminal.table(rows, names, width)]
        if hidden := sum(titled(column) not in names for column in board.columns):
            of = len(board.columns)
            lines += ["", f"{hidden} of {of} data sets do not fit here: the page has all of them."]
    lines += ["", *(terminal.filled(sentence, width) for sentence in notes(board, found, bold))]
    return "\n".join(lines)


def render_markdown(board: Board, found: Overall | None, verdict: list[str]) -> str:
    """leaderboard.md."""
    escape = markdown.escape
    main = table(board, found, lambda text: f"**{text}**", escape)
    parts = [f"# {escape(board.title)}", escape(" ".join(verdict)), _pipes(main)]
    parts += [escape(" ".join(notes(board, found))), "## Data sets", _pipes(_datasets(board))]
    if lost := _lost(board):
        parts += ["## Without a result", _pipes(lost)]
    parts += ["## Runs", markdown.table(_runs(board, found))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _pipes(rows: Table) -> str:
    return tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True)


def _datasets(board: Board) -> Table:
    escape = markdown.escape
    rows: Table = []
    for column in board.columns:
        title = escape(titled(column))
        row = {"data set": f"[{title}]({quoted(column.report)})" if column.report else title}
        row |= {
            name: f"{column.statistics[name]:,}" if name in column.statistics else ""
            for name in ("users", "items", "interactions")
        }
        row |= {"protocol": escape(column.protocol), "digest": escape(column.digest)}
        rows.append(dict(row))
    return rows


def _lost(board: Board) -> Table:
    escape = markdown.escape
    return [
        {"data set": escape(column.title), "model": escape(entry.name), "why": escape(why)}
        for column in board.columns
        for entry in board.entries
        if (why := reason(column, entry))
    ]


def _runs(board: Board, found: Overall | None) -> Table:
    """Each trial of a cell: the run, its commit, and the command that repeats it."""
    entries = ordered(board, found)
    return [
        {
            "data set": column.title,
            "model": entry.name,
            "seed": "" if outcome.seed is None else outcome.seed,
            "run": outcome.run[:8],
            "commit": short_commit(outcome.commit),
            "command": outcome.command,
        }
        for column in board.columns
        for entry in entries
        if entry in column.cells
        for outcome in column.cells[entry].outcomes
    ]


def render_csv(board: Board, found: Overall | None) -> str:
    """leaderboard.csv: a line for each cell, in full precision."""
    lines = []
    entries = ordered(board, found)
    for column in board.columns:
        for entry in entries:
            cell = column.cells.get(entry)
            line: dict[str, object] = {
                "dataset": column.dataset,
                "title": column.title,
                "synthetic": column.synthetic,
                "protocol": column.protocol,
                "digest": column.digest,
                "model": entry.model,
                "kind": entry.kind,
                "origin": entry.origin,
                "state": state(column, entry) or "result",
                "why": reason(column, entry),
            }
            if cell and cell.outcomes:
                line |= {name: cell.mean(name) for name in cell.outcomes[0].test}
                deviation = cell.deviation(board.metric)
                low, high = cell.interval or (None, None)
                line |= {f"{board.metric} sd": deviation, "interval low": low}
                line |= {"interval high": high, "best or level": best(board, column, entry)}
                line |= {"seeds": len(cell.outcomes), "settings": cell.settings}
                line |= {"points_tried": cell.points_tried, "seconds": cell.seconds}
                line |= {"memory_mb": cell.memory_mb, "parameters": cell.parameters}
                line |= {"energy_kwh": cell.energy_kwh, "device": cell.device}
                line |= {"runs": " ".join(outcome.run for outcome in cell.outcomes)}
            lines.append({harmless(key): harmless(value) for key, value in line.items()})
    text = io.StringIO()
    names = dict.fromkeys(name for line in lines for name in line)
    writer = csv.DictWriter(text, list(names), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def render_latex(board: Board, found: Overall | None, verdict: list[str]) -> str:
    """leaderboard.tex: the table, for a paper."""
    rows = table(board, found, lambda text: rf"\textbf{{{text}}}", latex.escape)
    preamble = r"The preamble needs \usepackage[T1]{fontenc} \usepackage{booktabs}"
    comments = [*map(latex.escape, verdict), preamble]  # the preamble is to be copied
    heads = list(rows[0]) if rows else ["model"]
    caption = latex.escape(" ".join(notes(board, found)))
    return "\n".join(
        [
            *(f"% {' '.join(note.split())}" for note in comments),
            r"\begin{table}[t]",
            r"\centering",
            rf"\caption{{{caption}}}",
            r"\label{tab:leaderboard}",
            r"\smallskip",
            r"\footnotesize",
            r"\setlength{\tabcolsep}{4pt}",
            rf"\begin{{tabular}}{{@{{}}l{'r' * (len(heads) - 1)}@{{}}}}",
            r"\toprule",
            rf"{' & '.join(heads)} \\",
            r"\midrule",
            *(rf"{' & '.join(map(str, row.values()))} \\" for row in rows),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )
