"""Everything that a report consists of, whatever its format."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from mlflow import MlflowClient

from benchmark.reporting.beside import Beside, beside_accuracy
from benchmark.reporting.cautions import is_synthetic
from benchmark.reporting.charts.chart import Chart
from benchmark.reporting.charts.report import charts
from benchmark.reporting.comparison import Comparison, compare, leading
from benchmark.reporting.examples import examples, titles
from benchmark.reporting.leaderboard import Leaderboard, leaderboard
from benchmark.reporting.problems import of_lists, of_ranks
from benchmark.reporting.ranking import Ranking
from benchmark.reporting.section import Section
from benchmark.reporting.sections import sections
from benchmark.reporting.verdict import verdict
from benchmark.reporting.words import counted
from benchmark.tracking import schema
from benchmark.tracking.reading import trials
from benchmark.tracking.reading.lists import lists
from benchmark.tracking.reading.ranks import ranks
from benchmark.tracking.reading.record import Record
from datasets import DataError
from datasets.specs import spec


@dataclass(frozen=True)
class Dataset:
    title: str
    card: str | None
    """A link to the page that describes the data set."""


@dataclass(frozen=True)
class Content:
    experiments: tuple[str, ...]
    dataset: Dataset
    ranking: Ranking
    comparison: Comparison | None
    leaderboard: Leaderboard
    beside: Beside | None
    """None without a comparison."""
    verdict: list[str]
    """Sentences of plain text, which stand above everything else."""
    sections: list[Section]
    charts: list[Chart]

    @property
    def synthetic(self) -> bool:
        return is_synthetic(self.ranking)

    @property
    def facts(self) -> list[str]:
        """What the report is about, in a few words each."""
        ranking = self.ranking
        numbers = ranking.own.records[0].statistics
        models = len(self.leaderboard.standings)
        last = max(record.started for record in ranking.records) / 1000
        found = [
            f"experiment{'s' * (len(self.experiments) > 1)} {', '.join(self.experiments)}",
            f"{ranking.metric}",
            f"{counted(len(ranking.records), 'trial')} of {counted(models, 'model')}",
            *(counted(int(numbers[f"{name}s"]), name) for name in ("user", "item") if numbers),
            f"last trial {datetime.fromtimestamp(last, UTC):%Y-%m-%d}",
        ]
        return found


@dataclass(frozen=True)
class Compared:
    """A ranking with its leading rows compared, user by user."""

    ranking: Ranking
    comparison: Comparison | None
    """None if no trial logged ranks."""
    unreadable: dict[str, str]
    """Why the ranks that a trial logged cannot be read, by run id."""


def compare_leading(client: MlflowClient, ranking: Ranking, test: str = "t") -> Compared:
    """Read the ranks of the leading rows, and compare them. ``test`` is a key of
    ``statistics.TESTS``."""
    found = ranks(client, _leaders(ranking), "test")
    comparison = compare(ranking, found.tables, ranking.metric, test)
    return Compared(ranking, comparison, found.unreadable)


def _leaders(ranking: Ranking) -> list[Record]:
    return [record for at in leading(ranking) for record in ranking.rows[at - 1].records]


def assemble(
    client: MlflowClient,
    experiments: tuple[str, ...],
    compared: Compared,
    dataset: Dataset,
    *,
    k: list[int],
    drawn: bool = False,
) -> Content:
    """The content of a report on a ranking.

    ``k`` are the cut-offs; there are charts if they are to be ``drawn``.
    """
    ranking, comparison = compared.ranking, compared.comparison
    problems = [*ranking.problems, *of_ranks(ranking, comparison, compared.unreadable)]
    beside = None
    shown = Section("Examples")
    if comparison:
        in_rows = [record for at in comparison.places for record in ranking.rows[at - 1].records]
        found_lists = lists(client, in_rows)
        beside = beside_accuracy(ranking, comparison, found_lists.tables)
        problems += of_lists(ranking, beside, found_lists.unreadable)
        shown = examples(ranking, comparison, found_lists.tables, titles(ranking))
    ranking = replace(ranking, problems=problems)
    board = leaderboard(ranking, comparison)
    found: list[Chart] = []
    if drawn:
        key = schema.metric_key("valid", ranking.metric)
        curves = trials.curves(client, [record.run_id for record in _leaders(ranking)], key)
        found = charts(ranking, comparison, board, leading(ranking), curves)
    return Content(
        experiments,
        dataset,
        ranking,
        comparison,
        board,
        beside,
        verdict(ranking, comparison, board),
        sections(ranking, comparison, beside, shown, k),
        found,
    )


def dataset_of(ranking: Ranking, experiment: str) -> Dataset:
    """The data set as the best trials logged it.

    For runs that did not log it: the data set of seqrec that they, or the experiment, name.
    """
    tags = ranking.own.records[0].tags
    if schema.DATASET_TITLE in tags:
        return Dataset(tags[schema.DATASET_TITLE], tags.get(schema.DATASET_CARD))
    try:
        found = spec.read(str(ranking.own.best.params.get("dataset", experiment)))
    except DataError:
        return Dataset(experiment, None)
    return Dataset(found.title, found.card)
