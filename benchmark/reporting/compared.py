"""The sections of a report that compare its leading rows."""

from math import isnan
from statistics import fmean, stdev

import numpy as np

from benchmark.measures.beyond import BETA
from benchmark.measures.metrics import METRICS
from benchmark.reporting.beside import STRATIFIED, Beside
from benchmark.reporting.comparison import Comparison
from benchmark.reporting.labels import labels
from benchmark.reporting.ranking import Ranking
from benchmark.reporting.section import Section, Table, shown_interval

CUT_OFF_METRICS = ("recall", "mrr", "ndcg")  # of one target: hit is recall, precision a k-th of it


def compared(ranking: Ranking, comparison: Comparison | None, k: list[int]) -> list[Section]:
    if comparison is None:
        return []
    names = labels(ranking, comparison.places)
    what = f"test {comparison.metric}"
    first = names[comparison.places[0]]
    return [
        Section(
            f"Beside {first}",
            f"Difference of mean {what} ({first} minus the row), its 95% interval over users, "
            f"{'over users and seeds (with seeds), ' * comparison.noise_known}its effect size "
            "(Cohen's d_z: the mean of the users' differences divided by their standard "
            "deviation), p with Holm's correction, and the share of users for whom the first row "
            "is better (win), equal (tie) or worse (loss).",
            table=_beside_the_first(comparison, names),
        ),
        Section(
            "Cut-offs",
            "Test metrics at several cut-offs, from the ranks of all targets; mean over seeds."
            + _LISTS * any(comparison.until),
            table=_cut_offs(comparison, names, k),
        ),
        Section(
            "Slices",
            f"Mean {what} of groups of users: by the length of the history, by the number of "
            "training interactions with the target, by whether the target is in the history, and, "
            "if any do, by whether it shares its time with the interaction before or after it."
            + _SEVERAL
            * comparison.several,
            table=_slices(comparison, names),
        ),
    ]


def _beside_the_first(comparison: Comparison, names: dict[int, str]) -> Table:
    rows: Table = []
    for row in comparison.beside_the_first:
        cells = {
            "row": names[row.place],
            "difference": f"{row.difference:+.4f}",
            "95% interval": shown_interval(row.low, row.high, "+.4f"),
        }
        if comparison.noise_known:
            cells["with seeds"] = shown_interval(row.low_with_seeds, row.high_with_seeds, "+.4f")
        cells |= {
            "d_z": "" if isnan(row.effect) else f"{row.effect:+.2f}",
            "p": row.shown_p,
            "win": f"{row.win:.1%}",
            "tie": f"{row.tie:.1%}",
            "loss": f"{row.loss:.1%}",
        }
        rows.append(dict(cells))
    return rows


_SEVERAL = (
    " A user with several targets is in each group that has one of them, and counts there with the "
    "targets of this group alone."
)


_LISTS = (
    " A row that was scored from lists has no metric beyond the end of its lists, where ranks are "
    "not known."
)


def _cut_offs(comparison: Comparison, names: dict[int, str], k: list[int]) -> Table:
    shown = METRICS if comparison.several else CUT_OFF_METRICS
    return [
        {"metric": metric, **_by_row(comparison.values(metric).mean(axis=1), names)}
        for metric in (f"{name}@{cut}" for name in shown for cut in k)
    ]


def _slices(comparison: Comparison, names: dict[int, str]) -> Table:
    found: Table = []
    for part in comparison.sliced:
        targets = {"targets": f"{part.targets:,}"} if comparison.several else {}
        row = {"by": part.by, "part": part.name, "users": f"{part.users:,}", **targets}
        found.append({**row, **_by_row(part.means, names)})
    return found


def _by_row(means: np.ndarray, names: dict[int, str]) -> dict[str, str]:
    """The ``means`` [rows] by the rows' names; empty for NaN."""
    by_name = zip(names.values(), means, strict=True)
    return {name: "" if np.isnan(mean) else f"{mean:.4f}" for name, mean in by_name}


def beside_sections(ranking: Ranking, beside: Beside | None) -> list[Section]:
    if beside is None or not beside.rows:
        return []
    names = labels(ranking, sorted(beside.rows))
    shown = list(dict.fromkeys(name for of_row in beside.rows.values() for name in of_row))
    return [
        Section(
            "Beside accuracy",
            _LISTED
            * (shown != [STRATIFIED])
            + "Popularity-stratified recall: a target weighs its popularity to the power of "
            f"-{BETA} (Steck 2011).",
            table=[
                {"row": row, **{name: _measure(name, beside.rows[at].get(name)) for name in shown}}
                for at, row in names.items()
            ],
        ),
        Section(
            "Beside accuracy by history length",
            "The same measures of the lists of a part of the users.",
            table=[
                {
                    "history length": part,
                    "measure": name,
                    **{names[at]: _measure(name, row.get(name)) for at, row in found.items()},
                }
                for part, found in beside.slices
                for name in shown
                if name != STRATIFIED
            ],
        ),
    ]


_LISTED = (
    "Of the 10 best items of each test query: coverage (share of the catalogue that is in at least "
    "one list), Gini (inequality of how often items are recommended; 0: all equally often), "
    "popularity (training interactions with an item, mean), novelty (self-information of an item "
    "in bits, mean) and repetition (share of items that the user had before). "
)


def _measure(name: str, seeds: list[float] | None) -> str:
    """The mean of the seeds, and the standard deviation (n - 1) of several."""
    if seeds is None:
        return ""
    form = {"popularity": ",.1f", "novelty": ".2f"}.get(name.partition("@")[0], ".4f")
    deviation = f" ± {stdev(seeds):{form}}" if len(seeds) > 1 else ""
    return f"{fmean(seeds):{form}}{deviation}"
