"""Results in words: what every format writes of a cell, and of a row over all data sets."""

from __future__ import annotations

from benchmark.leaderboards.board import Board, Cell, Column, Entry
from benchmark.leaderboards.overall import Overall
from benchmark.reporting.section import shown_p, with_deviation
from benchmark.reporting.words import listed

MISSING = "missing"
FAILED = "failed"
NOT_AVAILABLE = "not available"
ONE_SEED = "one seed"
UNTUNED = "untuned"
MOST = 10  # data sets that a sentence names


def figure(cell: Cell, metric: str) -> str:
    """Mean ± deviation over the seeds; empty without a result."""
    mean = cell.mean(metric)
    return "" if mean is None else with_deviation(mean, cell.deviation(metric))


def remarks(entry: Entry, cell: Cell) -> list[str]:
    """What limits a result, in a word or two each; none of a cell without one."""
    if entry.kind != "learned" or not cell.outcomes:
        return []
    found = []
    if len(cell.outcomes) == 1:
        found.append(ONE_SEED)
    if cell.points_tried == 1:
        found.append(UNTUNED)
    return found


def state(column: Column, entry: Entry) -> str:
    """Why the cell has no result, in a word or two; empty if it has one.

    ``reason`` has the sentence.
    """
    cell = column.cells.get(entry)
    if cell and cell.outcomes:
        return ""
    if cell and cell.failure:
        return FAILED
    return NOT_AVAILABLE if column.unavailable else MISSING


def reason(column: Column, entry: Entry) -> str:
    """The cause of a cell without a result; empty if it is not known, or if there is a result."""
    cell = column.cells.get(entry)
    if cell and cell.outcomes:
        return ""
    return (cell.failure if cell else "") or column.unavailable


def best(board: Board, column: Column, entry: Entry) -> bool:
    """Whether the result is marked: the best of its column, or not significantly worse than it.

    Nothing is marked where one model alone has a result.
    """
    cell = column.cells.get(entry)
    value = column.value(entry, board.metric)
    alone = len(column.means(board.metric)) < 2
    if cell is None or value is None or entry.kind == "published" or alone:
        return False
    return cell.level or value == column.best(board.metric)


def titled(column: Column) -> str:
    """The title of a data set, which says that the data are synthetic."""
    said = "synthetic" in column.title.lower()
    return f"{column.title}{' (SYNTHETIC)' * (column.synthetic and not said)}"


def standing(found: Overall | None, entry: Entry) -> dict[str, str]:
    """How a row stands over the data sets: a text by heading, which is empty for a row that is not
    compared. No headings without a comparison."""
    if found is None:
        return {}
    ratio = {f"ratio to {found.baseline.name}": ""} if found.baseline and _rated(found) else {}
    names = ["mean rank", "wins", *ratio, "p"]
    place = next((place for place in found.places if place.entry == entry), None)
    if place is None:
        return dict.fromkeys(names, "")
    ratio = dict.fromkeys(ratio, "" if place.ratio is None else f"{place.ratio:.3f}")
    p = "" if place.p is None else shown_p(place.p)
    return {"mean rank": f"{place.mean_rank:.2f}", "wins": str(place.wins)} | ratio | {"p": p}


def _rated(found: Overall) -> bool:
    """Whether a model has a ratio: none has one if the baseline has 0 on a data set."""
    return any(place.ratio is not None for place in found.places)


def scope(board: Board, found: Overall | None, bold: bool = True) -> list[str]:
    """What the figures are, and over how many models and data sets they are compared: sentences.

    ``bold``: the best are marked.
    """
    text = [
        f"Test {board.metric} of the settings that are best on validation; ±: standard deviation "
        "over seeds."
        + " Bold: the highest value of a data set, and each value that is not significantly lower."
        * bold
    ]
    if found is None:
        return [*text, f"{not_compared(board)}: no mean ranks."]
    baseline = found.baseline.name if found.baseline else ""
    ratio = [f"the ratio to {baseline} (geometric mean)"] * bool(baseline and _rated(found))
    titles = [column.title for column in found.columns]
    which = f" ({'; '.join(titles)})" if len(titles) <= MOST else ""
    text.append(
        f"{listed(['Mean rank (1 is best)', 'wins', *ratio, 'p'])} are of {len(found.places)} "
        f"models on {len(titles)} data sets{which}; each of these models has a result on each of "
        f"them. p tests whether a model ranks as the first one does "
        f"({'Nemenyi' if len(found.places) > 2 else 'Wilcoxon'})."
    )
    if baseline and not _rated(found):
        text.append(f"There is no ratio to {baseline}: it has 0 on a data set.")
    if found.friedman is not None:
        p = shown_p(found.friedman)
        equals = "" if p.startswith("<") else "= "
        text.append(f"Friedman's test that all of them rank alike: p {equals}{p}.")
    return text


def not_compared(board: Board) -> str:
    """Why nothing is compared over the data sets, as the beginning of a sentence."""
    kinds = {column.synthetic for column, _, _ in board.results()}
    real = "real " * (len(kinds) > 1)  # the synthetic ones are left out
    return f"No two {real}data sets have results of the same two models"


def left_out(found: Overall) -> list[tuple[str, str]]:
    """The models and data sets that are not compared, each with the reason."""
    models = [(entry.name, why) for entry, why in found.models_left_out.items()]
    return models + list(found.columns_left_out.items())
