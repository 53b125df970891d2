"""Warnings: what a reader of a ranking should know before believing it."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from benchmark.measures.protocol import MASKED, Protocol
from benchmark.reporting import problems
from benchmark.reporting.comparison import Comparison
from benchmark.reporting.ranking import Ranking
from benchmark.reporting.row import Row
from benchmark.tracking import schema
from datasets import card

LEAKAGE = (
    "Leave-one-out splits each user's own sequence: models were trained on interactions of other "
    "users that are later than the test items, which a system in production could not have seen. "
    "For a claim about production, use a split by time (split: temporal)."
)
GIVEN_AWAY = (
    f"Earlier versions ranked a target that its user had before (protocol: {MASKED}) as the only "
    "item of its history among the candidates, which gives it away: their results are too high. "
    "Now it is a miss, or left out with history novel, as the protocol says."
)
MUCH = 0.1  # share of a metric that repeated targets give, which is worth a warning


def cautions(ranking: Ranking, comparison: Comparison | None = None) -> list[str]:
    """Sentences of plain text, the most serious first."""
    own = {
        place: row
        for place, row in enumerate(ranking.rows, start=1)
        if not row.published and not row.scored
    }
    found = [
        _synthetic(ranking),
        *ranking.problems,
        GIVEN_AWAY if _given_away(ranking, comparison) else None,
        _repeated(comparison) if comparison else None,
        *_cut_off(own),
        _if_any(own, _changed_code, "the code had changes that were not committed"),
        _one_seed(own),
        _unequal_tuning(ranking),
        _edge(ranking),
        _several(own, schema.GIT_COMMIT, "commits", "they may not have run the same code"),
        _several(own, schema.DEVICE, "devices", "their seconds cannot be compared"),
        _published(ranking),
        *_scored(ranking),
        *_data(ranking),
        LEAKAGE if ranking.protocol.sees_later_interactions else None,
    ]
    return [text for text in found if text]


def _if_any(rows: dict[int, Row], holds: Callable[[Row], bool], what: str) -> str | None:
    places = [place for place, row in rows.items() if holds(row)]
    return f"{problems.rows(places)}: {what}." if places else None


def _cut_off(rows: dict[int, Row]) -> list[str]:
    """Rows whose best epoch is the last, by model: some settings need more epochs than others."""
    learned = {place: row for place, row in rows.items() if row.learned}
    found = []
    alone: dict[int, Row] = {}  # of models whose rows all improved until the end
    for model in dict.fromkeys(row.model for row in learned.values()):
        of_model = {place: row for place, row in learned.items() if row.model == model}
        cut = {place: row for place, row in of_model.items() if best_is_last(row)}
        if len(cut) == len(of_model):
            alone |= cut
        elif cut:
            found.append(_needs_more_epochs(model, cut, of_model))
    if alone:
        found.append(
            f"{problems.rows(sorted(alone))}: the best epoch is the last one: longer training may "
            "be better."
        )
    return found


def _needs_more_epochs(model: str, cut: dict[int, Row], of_model: dict[int, Row]) -> str:
    rates = sorted({row.param("learning_rate") for row in cut.values()}, key=str)
    several = len({row.param("learning_rate") for row in of_model.values()}) > 1
    which = f" (learning rate {', '.join(map(str, rates))})" if several else ""
    return (
        f"{problems.rows(list(cut))}{which}: the best epoch is the last one, while other rows of "
        f"{model} were best before their last epoch: these settings need more epochs, and their "
        "place in the ranking may be that of a training that was cut off."
    )


def best_is_last(row: Row) -> bool:
    """Whether the best epoch of a seed is its last."""
    return any(r.best_epoch and r.best_epoch == r.last_epoch for r in row.records)


def _changed_code(row: Row) -> bool:
    return any(record.tags.get(schema.GIT_COMMIT, "").endswith("+") for record in row.records)


def _one_seed(rows: dict[int, Row]) -> str | None:
    if len(rows) < 2:
        return None
    learned = {place: row for place, row in rows.items() if row.learned}
    return _if_any(
        learned,
        lambda row: len(row.records) == 1,
        "one seed: the variation between training runs is not known",
    )


def _unequal_tuning(ranking: Ranking) -> str | None:
    """Learned models that were tried with different numbers of points."""
    learned = {row.model for row in ranking.own.rows if row.learned and not row.published}
    tried = {name: n for name, n in ranking.points_tried.items() if name in learned}
    if len(set(tried.values())) < 2:
        return None
    listed = [f"{name} {n}" if n > 1 else f"{name} untuned" for name, n in tried.items()]
    return (
        f"The models were not tuned equally (points tried: {', '.join(listed)}): a model that was "
        "tried with more settings may be ahead for this reason alone."
    )


def _edge(ranking: Ranking) -> str | None:
    """The best value of a searched parameter is the smallest or the largest that was tried."""
    edges = []
    for name, values in ranking.searched.items():
        numbers = [v for v in values if not isinstance(v, str)]
        best = ranking.best.param(name)
        if len(numbers) == len(values) > 2 and best in (numbers[0], numbers[-1]):
            edges.append(f"{name} {best} is the {'smallest' if best == numbers[0] else 'largest'}")
    return f"The best row's {'; '.join(edges)} that was tried." if edges else None


def _several(rows: dict[int, Row], tag: str, plural: str, so: str) -> str | None:
    values = _values(rows.values(), tag)
    return f"Trials ran on {len(values)} {plural}: {so}." if len(values) > 1 else None


def _values(rows: Iterable[Row], tag: str) -> set[str]:
    records = [record for row in rows for record in row.records]
    return {record.tags[tag] for record in records if tag in record.tags}


def _published(ranking: Ranking) -> str | None:
    if any(row.published for row in ranking.rows):
        return (
            "Published rows are figures of a page: they cannot be traced, their data and protocol "
            "are what the page's authors state, and no interval or test includes them."
        )
    return None


def _scored(ranking: Ranking) -> list[str]:
    """What is not known of results that were scored from files of other libraries."""
    scored = {place: row for place, row in enumerate(ranking.rows, start=1) if row.scored}
    other = _if_any(
        scored,
        lambda row: True,
        "scored from a file of another library, which trained the model. Its parameters are what "
        "the person who scored it states; its tuning and its cost are not known, its command "
        "scores the file again and trains nothing, and it cannot be promoted",
    )
    unchosen = _if_any(
        scored,
        lambda row: not row.valid,
        "without a validation metric, and therefore last, in the order of logging: a test metric "
        "never decides a place",
    )
    return [text for text in (other, unchosen) if text]


def is_synthetic(ranking: Ranking) -> bool:
    return ranking.own.records[0].tags.get(schema.SYNTHETIC) == "true"


def one_device(rows: Iterable[Row]) -> bool:
    """Whether the trials ran on the same kind of device, as far as they logged it: their seconds
    compare."""
    return len(_values(rows, schema.DEVICE)) < 2


def order_predicts(ranking: Ranking) -> bool:
    """Whether the file's order of rows at equal times predicts items, as far as it was logged."""
    numbers = ranking.own.records[0].statistics
    return bool(numbers) and card.order_predicts(numbers, str(ranking.protocol))


def _synthetic(ranking: Ranking) -> str | None:
    if is_synthetic(ranking):
        return "The data are synthetic: these numbers say nothing about real users."
    return None


def _given_away(ranking: Ranking, comparison: Comparison | None) -> bool:
    """Whether trials on these data had repeated targets among the candidates of masked histories.

    Their protocol is that of trials without any repeated target.
    """
    trials = [*ranking.own.records, *(record for record, _ in ranking.not_ranked)]
    digest = trials[0].tags.get(schema.DATA_DIGEST)
    same = [trial.tags for trial in trials if trial.tags.get(schema.DATA_DIGEST) == digest]
    protocols = [Protocol.parse(tags.get(schema.PROTOCOL, "")) for tags in same]
    old = any(protocol.masks_alone for protocol in protocols)
    known = any(protocol.says_what_repeats for protocol in protocols)
    shown = ranking.protocol.masks_alone and bool(_repeats(comparison).any())
    return (old and known) or shown


def _repeated(comparison: Comparison) -> str | None:
    """How much of the metric comes from targets that the user had before: what is left if all
    others are misses."""
    repeats = _repeats(comparison)
    beyond = np.iinfo(np.int64).max  # every cut-off
    ranks = [np.where(repeats, of_row, beyond) for of_row in comparison.ranks]
    alone = replace(comparison, ranks=ranks).values(comparison.metric)
    values = comparison.values(comparison.metric)
    shares = {
        place: float(of_repeats.sum() / of_all.sum())
        for place, of_repeats, of_all in zip(comparison.places, alone, values, strict=True)
        if of_all.any()
    }
    much = [f"{share:.0%} in row {place}" for place, share in shares.items() if share > MUCH]
    if not much:
        return None
    return (
        f"Targets that the user had before ({repeats.mean():.1%} of the test targets) give much of "
        f"test {comparison.metric}: {', '.join(much)}; the slices show new targets alone."
    )


def _repeats(comparison: Comparison | None) -> np.ndarray:
    """[targets] bool: which are in their history, as far as the trials logged it."""
    if comparison is None or "repeated" not in comparison.targets:
        return np.zeros(len(comparison.targets) if comparison else 0, dtype=bool)
    return comparison.targets["repeated"].to_numpy(bool)


def _data(ranking: Ranking) -> list[str]:
    """The warnings of `datasets.prepare`, of trials that logged the numbers."""
    numbers = ranking.own.records[0].statistics
    if not numbers:
        return []
    found = card.warnings(numbers, str(ranking.protocol))
    return [f"{text[0].upper()}{text[1:]}." for text in found]
