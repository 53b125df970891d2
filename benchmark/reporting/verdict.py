"""The verdict: which model leads, by how much, at what cost, and what speaks against it."""

from __future__ import annotations

from collections.abc import Callable

from benchmark.installation import settings_in, training_command
from benchmark.reporting import cautions
from benchmark.reporting.comparison import Comparison
from benchmark.reporting.difference import Difference
from benchmark.reporting.leaderboard import Leaderboard, Standing
from benchmark.reporting.ranking import Ranking
from benchmark.reporting.words import listed, seconds, size
from benchmark.settings.fields import SETTINGS
from benchmark.settings.settings import BASELINES

AS_FAST = 1.2  # times: below it, two models count as equally fast
SHORTEST = 1.0  # seconds: so do two trials that both take less


def verdict(ranking: Ranking, comparison: Comparison | None, board: Leaderboard) -> list[str]:
    """A few sentences of plain text; none if every row is published.

    The first model of the leaderboard against the next one, and against the best of the other kind
    (learned or counted). The report's own test compares them: the same users, the same correction.
    """
    standings = [standing for standing in board.standings if not standing.row.published]
    if not standings:
        return []
    leader, *others = standings
    following = others[0] if others else None
    rivals = [following] if following else []
    found = []
    if following is None:
        found.append(f"{leader.row.entry} is the only model: {_figures(leader, ranking)}.")
    else:
        difference = _difference(comparison, leader, following)
        found.append(_against_the_next(leader, following, difference, ranking))
        found.append(_cost(leader, following))
    found.append(_level(leader, others[1:], board))
    missing = ""
    if not leader.row.scored:
        own = [standing for standing in others if not standing.row.scored]
        other_kind = next((s for s in own if s.row.learned != leader.row.learned), None)
        if other_kind is None:
            missing = _kind_that_is_missing(leader)
        elif other_kind is not following:
            difference = _difference(comparison, leader, other_kind)
            found.append(_against_the_other_kind(other_kind, difference, ranking))
            rivals.append(other_kind)
    found += [_doubts(ranking, [leader, *rivals]), missing]
    return [sentence for sentence in found if sentence]


def _against_the_next(
    leader: Standing, following: Standing, found: Difference | None, ranking: Ranking
) -> str:
    first, second = leader.row.entry, following.row.entry
    values = f"{ranking.metric} {_value(leader, ranking)} against {_value(following, ranking)}"
    if not leader.row.valid:
        return f"No row was chosen by validation. {first} has test {values} of {second}."
    if found is None:
        return (
            f"{first} leads on validation; test {values} of {second}, the next model. No test "
            "compares them: their trials did not log the ranks of the same targets."
        )
    if not found.significant:
        return (
            f"No significant difference on test between {first}, which leads on validation, and "
            f"{second}, the next model: {values}, {_shown(found)}."
        )
    if found.difference > 0:
        return (
            f"{first} leads on validation and is better on test than {second}, the next model: "
            f"{values}, {_shown(found)}."
        )
    return (
        f"{first} leads on validation, but {second}, the next model, is better on test: "
        f"{values}, {_shown(found)}."
    )


def _against_the_other_kind(other: Standing, found: Difference | None, ranking: Ranking) -> str:
    kind = "learned" if other.row.learned else "counted"
    who = f"{other.row.entry}, the best {kind} model"
    value = f"{ranking.metric} {_value(other, ranking)}"
    if found is None:
        return f"{who}, has {value}; no test compares it."
    if not found.significant:
        return f"No significant difference to {who}: {value}, {_shown(found)}."
    beats = "It beats" if found.difference > 0 else "It does not beat"
    return f"{beats} {who}: {value}, {_shown(found)}."


def _level(leader: Standing, others: list[Standing], board: Leaderboard) -> str:
    """Models after the next one that the leader is not significantly better than."""
    metric = board.metrics[0]
    best = next((s for s in board.standings if s.test.get(metric) and s.test[metric].best), None)
    if best is not leader:
        return ""
    level = [s.row.entry for s in others if metric in s.test and s.test[metric].level]
    return f"Nor is it significantly better than {listed(level)}." if level else ""


def _cost(leader: Standing, following: Standing) -> str:
    first, second = leader.row, following.row
    if first.seconds is None or second.seconds is None:
        return ""
    sizes = [size(row.metric("parameters")) for row in (first, second)]  # "" of counted models
    if not cautions.one_device([first, second]):
        return (
            f"{first.entry} took {seconds(first.seconds)} a trial, {second.entry} "
            f"{seconds(second.seconds)} on another device."
        )
    sized = "each" if sizes[0] == sizes[1] else f"against {sizes[1]}"
    with_sizes = f", with {sizes[0]} parameters {sized}" if all(sizes) else ""
    fast, slow = sorted((first, second), key=lambda row: row.seconds or 0.0)
    times = (slow.seconds or 0.0) / max(fast.seconds or 0.0, 1e-3)
    which = (
        f"{fast.entry} is {times:,.{0 if times >= 10 else 1}f} times as fast"
        if times >= AS_FAST and (slow.seconds or 0.0) >= SHORTEST
        else "Both take about as long"
    )
    return (
        f"{which} ({first.entry} {seconds(first.seconds)} a trial, {second.entry} "
        f"{seconds(second.seconds)}){with_sizes}."
    )


def _kind_that_is_missing(leader: Standing) -> str:
    row = leader.row
    if not row.learned:
        return "No learned model is among these trials."
    settings = {"model": BASELINES}
    for name in ("dataset", "history", "evaluate_users", "recbole_config"):
        if (value := row.param(name)) not in ("", SETTINGS[name].default):
            settings[name] = str(value)
    if folder := settings_in(row.records[0].repeated_by).get("data_dir"):
        settings["data_dir"] = folder
    return (
        f"No counted model is among these trials, so it is not known whether {row.entry} beats "
        f"one. To run all of them: {training_command(settings, here=True)}"
    )


def _doubts(ranking: Ranking, compared: list[Standing]) -> str:
    """What forbids to believe the verdict, of the models that it names."""
    learned = [standing for standing in compared if standing.row.learned]
    scored = listed([s.row.entry for s in compared if s.row.scored])
    of_models: list[tuple[Callable[[Standing], bool], str]] = [
        (lambda s: len(s.row.records) == 1, "one seed of {}"),
        (lambda s: cautions.best_is_last(s.row), "{} may need more epochs (the last is the best)"),
    ]
    found = ["synthetic data"] if cautions.is_synthetic(ranking) else []
    if cautions.order_predicts(ranking):
        found.append("the file's order of equal times predicts items")
    for holds, text in of_models:
        if names := [s.row.entry for s in learned if holds(s)]:
            found.append(text.format(listed(names)))
    if len({ranking.points_tried.get(s.row.model) for s in learned}) > 1:
        found.append("the models were not tuned equally")
    if scored:
        found.append(f"{scored} was trained by another library")
    return f"Caution: {'; '.join(found)}." if found else ""


def _difference(
    comparison: Comparison | None, leader: Standing, other: Standing
) -> Difference | None:
    """Leader minus other; None if no test compares them."""
    if comparison is None or comparison.places[0] != leader.place:
        return None
    return next((d for d in comparison.beside_the_first if d.place == other.place), None)


def _shown(found: Difference) -> str:
    low, high = found.interval
    interval = f"95% interval {low:+.4f} to {high:+.4f}, " if low == low else ""
    p = found.shown_p if found.shown_p.startswith("<") else f"= {found.shown_p}"
    return f"difference {found.difference:+.4f} ({interval}p {p})"


def _figures(standing: Standing, ranking: Ranking) -> str:
    parts = [f"test {ranking.metric} {_value(standing, ranking)}"]
    if standing.interval:
        low, high = standing.interval
        parts[0] += f" (95% interval {low:.4f} to {high:.4f})"
    if standing.row.seconds is not None:
        parts.append(f"{seconds(standing.row.seconds)} a trial")
    if parameters := size(standing.row.metric("parameters")):
        parts.append(f"{parameters} parameters")
    return ", ".join(parts)


def _value(standing: Standing, ranking: Ranking) -> str:
    return f"{standing.test[ranking.metric].mean:.4f}"
