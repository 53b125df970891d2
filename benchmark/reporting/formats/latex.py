"""LaTeX: the leaderboard as a table for a paper, and the settings of its rows on request."""

from __future__ import annotations

import re
from itertools import groupby
from string import ascii_letters
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # types alone: their modules load MLflow and pandas, slowly
    from benchmark.reporting.content import Content
    from benchmark.reporting.leaderboard import Figure, Standing

NEEDED = r"\usepackage[T1]{fontenc} \usepackage{array} \usepackage{booktabs} \usepackage{longtable}"
LONGEST = 16  # characters of a word that is not broken
LONGEST_NAME = 20  # characters of a model's name that its column has in one line
PIECE = 8  # characters between two places where a longer one may be broken
# Letters of the encoding T1 (Latin-1 and most of Latin Extended-A), and punctuation.
LETTERS = (
    "[\u00c0-\u0125\u0128-\u0137\u0139-\u013e\u0141-\u0148\u014a-\u0165\u0168-\u017e"
    "\u2013\u2014\u2018-\u201a\u201c-\u201e\u00b0\u00b5]"
)
SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    '"': r"\textquotedbl{}",
    "±": r"$\pm$",
    "…": r"\ldots{}",
} | {mark: f"\\{mark}" for mark in "&%$#_{}"}


def render(content: Content, name: str, *, full: bool = False) -> dict[str, str | bytes]:
    """NAME.tex. ``full`` adds a table of the settings of each row."""
    label = f"tab:{re.sub(r'[^A-Za-z0-9.-]+', '-', name)}"
    trials = content.sections[0]
    notes = [*content.verdict, f"The preamble needs {NEEDED}", f"{trials.heading}: {trials.text}"]
    parts = [*(f"% {' '.join(note.split())}" for note in notes), *_results(content, label)]
    if full:
        parts += ["", *_settings(content, label)]
    return {f"{name}.tex": "\n".join(parts) + "\n"}


def _results(content: Content, label: str) -> list[str]:
    """A row for each model. Each metric has two columns, for the mean and what follows it, so that
    means are aligned."""
    board = content.leaderboard
    heads = "".join(rf" & \multicolumn{{2}}{{c}}{{{escape(name)}}}" for name in board.metrics)
    rows = []
    for index, standing in enumerate(board.standings):
        cells = [_metric(content, standing, name) for name in board.metrics]
        rows.append(" & ".join([_letter(index), escape(standing.row.entry), *cells]))
    return [
        r"\begin{table}[t]",
        r"\centering",
        rf"\caption{{{_caption(content)}}}",
        rf"\label{{{label}}}",
        r"\smallskip",
        r"\footnotesize",
        r"\setlength{\tabcolsep}{4pt}",
        rf"\begin{{tabular}}{{@{{}}l{_names(content)}{'r@{}l' * len(board.metrics)}@{{}}}}",
        r"\toprule",
        rf" & model{heads} \\",
        r"\midrule",
        *(rf"{row} \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]


def _metric(content: Content, standing: Standing, name: str) -> str:
    """The two cells of a metric; empty if the row does not have it."""
    figure = standing.test.get(name)
    if figure is None:
        return "&"
    after = ""
    if figure.deviation is not None:
        after = rf"{{\scriptsize\,$\pm$\,{figure.deviation:.4f}}}"
    if name == content.ranking.metric and standing.better_than:
        places = content.leaderboard.places
        beaten = _ranges([places.index(place) for place in standing.better_than])
        after += rf"\textsuperscript{{{beaten}}}"
    return f"{_mean(figure)} & {after}".rstrip()


def _mean(figure: Figure) -> str:
    text = f"{figure.mean:.4f}"
    if figure.best:
        return rf"\textbf{{{text}}}"
    return rf"\underline{{{text}}}" if figure.second else text


def _settings(content: Content, label: str) -> list[str]:
    """A table of the same rows with their searched settings, seeds and cost."""
    board = content.leaderboard
    ranking = content.ranking
    rows = []
    for index, standing in enumerate(board.standings):
        row = standing.row
        names = [name for name in ranking.searched if name in row.params and name != "model"]
        settings = ", ".join(rf"{escape(name)}~{escape(str(row.params[name]))}" for name in names)
        parameters = row.metric("parameters")
        cells = [
            str(len(row.records)),
            "" if row.seconds is None else f"{row.seconds:,.{0 if row.seconds >= 10 else 1}f}",
            "" if parameters is None else f"{parameters:,.0f}",
        ]
        rows.append(" & ".join([_letter(index), escape(row.entry), settings, *cells]))
    columns = f"l{_names(content)}{_lines(0.32)}rrr"
    head = r" & model & settings & seeds & seconds & parameters \\"
    return [
        r"{\footnotesize",
        r"\setlength{\tabcolsep}{4pt}",
        rf"\begin{{longtable}}{{@{{}}{columns}@{{}}}}",
        rf"\caption{{Searched settings and cost of the rows of Table~\ref{{{label}}}: seconds of a "
        "trial, mean over seeds.}",
        rf"\label{{{label}-settings}}\\",
        *(r"\toprule", head, r"\midrule", r"\endfirsthead"),
        *(r"\toprule", head, r"\midrule", r"\endhead"),
        r"\bottomrule",
        r"\endfoot",
        *(rf"{row} \\" for row in rows),
        r"\end{longtable}}",
    ]


def _caption(content: Content) -> str:
    ranking = content.ranking
    comparison = content.comparison
    board = content.leaderboard
    metric = escape(ranking.metric)
    protocol = ", ".join(ranking.protocol.evaluation)
    sentences = [
        *(["Synthetic data"] if content.synthetic else []),
        f"Test results on {escape(content.dataset.title)}",
        *([f"Protocol: {escape(protocol)}"] if protocol else []),
        f"Each model is shown with its best settings by validation {metric}, the best model first",
    ]
    seeds = sorted({len(standing.row.records) for standing in board.standings} - {1})
    if seeds:
        number = f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"{seeds[0]}"
        sentences.append(rf"$\pm$: standard deviation over {number} seeds")
    if len(board.standings) > 1:
        sentences.append("Bold: best; underlined: second best")
    if comparison and any(standing.better_than for standing in board.standings):
        sentences.append(
            f"Letters after {metric}: rows that are significantly lower (paired "
            f"{escape(comparison.test)} test over users, Holm's correction, $p < 0.05$)"
        )
    return f"{'. '.join(sentences)}."


def _names(content: Content) -> str:
    """The column of the models: with several lines, if a name is long."""
    longest = max(len(standing.row.entry) for standing in content.leaderboard.standings)
    return "l" if longest <= LONGEST_NAME else _lines(0.22)


def _lines(width: float) -> str:
    """A column of text, whose width is this part of that of the page's text."""
    return rf">{{\raggedright\arraybackslash}}p{{{width}\linewidth}}"


def _letter(index: int) -> str:
    """The name of a row in superscripts; a number where there are too few letters."""
    return ascii_letters[index] if index < len(ascii_letters) else str(index + 1)


def _ranges(indices: list[int]) -> str:
    """The rows at these ascending indices, such as "b--d,f"."""
    found = []
    for _, run in groupby(enumerate(indices), lambda pair: pair[1] - pair[0]):
        names = [_letter(index) for _, index in run]
        found += [f"{names[0]}--{names[-1]}"] if len(names) > 2 else names
    return ",".join(found)


def escape(text: str) -> str:
    """Escape text for pdflatex. A letter that its fonts lack becomes its number: U+4E2D.

    Long words may be broken.
    """
    return " ".join(_word(word) for word in text.split())


def _word(word: str) -> str:
    size = PIECE if len(word) > LONGEST else len(word)
    pieces = [word[start : start + size] for start in range(0, len(word), size)]
    text = r"\allowbreak{}".join("".join(map(_character, piece)) for piece in pieces)
    return re.sub("-(?=-)", "-{}", text)  # two hyphens, no dash


def _character(character: str) -> str:
    if character in SPECIAL:
        return SPECIAL[character]
    if character.isascii() or re.match(LETTERS, character):
        return character
    return f"U+{ord(character):04X}"
