"""The verdict: whether the best learned model is worth more than the best counted one."""

from __future__ import annotations

from benchmark.fields import SETTINGS
from benchmark.installation import training_command
from benchmark.reporting.comparison import Comparison, Difference
from benchmark.reporting.ranking import Ranking, Row
from benchmark.settings import BASELINES
from benchmark.tracking import schema

SYNTHETIC = "The data are synthetic: this says nothing about real users."


def verdict(ranking: Ranking, comparison: Comparison | None) -> list[str]:
    """One or two sentences of plain text; none if no row was trained here.

    The best row of either kind is the first by validation. The report's own test compares the two:
    the same users, the same correction.
    """
    own = {
        place: row
        for place, row in enumerate(ranking.rows, start=1)
        if not row.published and not row.scored
    }
    learned = next((place for place, row in own.items() if row.learned), None)
    counted = next((place for place, row in own.items() if not row.learned), None)
    if learned is not None and counted is not None:
        found = [_compared(ranking, comparison, learned, counted)]
    elif learned is not None:
        found = [_learned_alone(ranking, ranking.rows[learned - 1])]
    elif counted is not None:
        found = [_counted_alone(ranking, ranking.rows[counted - 1])]
    else:
        return []
    synthetic = ranking.own.records[0].tags.get(schema.SYNTHETIC) == "true"
    return [*found, SYNTHETIC] if synthetic else found


def _compared(ranking: Ranking, comparison: Comparison | None, learned: int, counted: int) -> str:
    rows = [ranking.rows[place - 1] for place in (learned, counted)]
    names = [_name(row) for row in rows]
    values = [_value(row, ranking) for row in rows]
    found = _difference(comparison, learned, counted)
    if found is None:
        return (
            f"{names[0]} has test {ranking.metric} {values[0]}, {names[1]} {values[1]}: no test "
            "compares them, because their trials did not log the ranks of the same targets."
        )
    beats = "beats" if found.difference > 0 and found.significant else "does not beat"
    interval = f"95% interval {found.low:+.4f} to {found.high:+.4f}, "
    return (
        f"{names[0]} {beats} {names[1]}: test {ranking.metric} {values[0]} against {values[1]}, "
        f"difference {found.difference:+.4f} ({interval if found.low == found.low else ''}"
        f"p {found.shown_p if found.shown_p.startswith('<') else f'= {found.shown_p}'})."
    )


def _learned_alone(ranking: Ranking, row: Row) -> str:
    settings = {"model": BASELINES}
    if dataset := row.param("dataset"):
        settings["dataset"] = str(dataset)
    if (history := row.param("history")) not in ("", SETTINGS["history"].default):
        settings["history"] = str(history)
    return (
        f"No counted model was run on these data, so it is not known whether {_name(row)}, test "
        f"{ranking.metric} {_value(row, ranking)}, beats one. To run all of them: "
        f"{training_command(settings)}"
    )


def _counted_alone(ranking: Ranking, row: Row) -> str:
    return (
        f"No learned model was run on these data. The best counted model is {_name(row)}, test "
        f"{ranking.metric} {_value(row, ranking)}."
    )


def _difference(comparison: Comparison | None, learned: int, counted: int) -> Difference | None:
    """Learned minus counted. The better of the two is the first row of the comparison."""
    if comparison is None or not {learned, counted} <= {*comparison.places}:
        return None
    second = max(learned, counted)
    found = next(other for other in comparison.beside_the_first if other.place == second)
    return found if learned < counted else found.turned


def _name(row: Row) -> str:
    kind = "learned" if row.learned else "counted"
    if row.seconds is None:
        return f"{row.name} ({kind})"
    return f"{row.name} ({kind}, {row.seconds:,.{0 if row.seconds >= 10 else 1}f} s)"


def _value(row: Row, ranking: Ranking) -> str:
    return f"{row.test[ranking.metric]:.4f}"
