"""LaTeX: the table of trials for a paper, with booktabs; data, method and protocol as comments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabulate import tabulate

if TYPE_CHECKING:  # types alone: their modules load MLflow and pandas, slowly
    from benchmark.reporting.content import Content

LEFT_OUT = ("run", "best epoch", "MB", "sequences/s")


def render(content: Content, name: str) -> dict[str, str | bytes]:
    """NAME.tex."""
    section = content.sections[0]
    rows = [
        {key: cell for key, cell in row.items() if key not in LEFT_OUT} for row in section.table
    ]
    text = tabulate(rows, headers="keys", tablefmt="latex_booktabs", disable_numparse=True)
    notes = [*content.verdict, f"{content.dataset.title}. {section.text}"]
    notes += [point for s in content.sections if s.heading == "Protocol" for point in s.points]
    comments = "\n".join(f"% {' '.join(note.split())}" for note in notes)
    return {f"{name}.tex": f"{comments}\n{text}\n".replace("±", r"$\pm$")}
