"""Labels of rows say what differs, and stay short."""

from benchmark.reporting.labels import labels, settings_of
from benchmark.reporting.sections import trials
from benchmark.tracking import schema
from tests.benchmark.reporting.made import content, trial

LONG = "my/models/in/a/folder/mine.py:ANetworkWithALongName"


def test_a_label_has_the_settings_in_which_the_rows_of_a_model_differ():
    ranking = content(
        trial("One", 1, dropout=0.1),
        trial("One", 2, dropout=0.2, layers=3),
        trial("Two", 3, dropout=0.3),
    ).ranking
    assert labels(ranking, [1, 2, 3]) == {
        1: "1 One dropout=0.1",
        2: "2 One dropout=0.2",
        3: "3 Two",
    }


def test_long_models_and_values_are_shortened():
    ranking = content(
        *(
            trial(
                LONG,
                n,
                learning_rate=0.0012345678 * n,
                units="[64, 64, 64, 64, 64]" * n,
                text="x" * n,
            )
            for n in (1, 2)
        )
    ).ranking
    first, second = labels(ranking, [1, 2]).values()
    assert first == "1 my/models/in/a/folder/mine.py:A… lr=0.001235 text=x units=[64, 64, 64, 64…"
    assert second.startswith("2 my/models/in/a/folder/mine.py:A… lr=0.002469 text=xx ")
    (row, _) = trials(ranking)
    assert (row["model"], row["learning_rate"]) == (LONG, 0.0012345678)  # the table is in full


def test_rows_of_one_search_with_and_without_slist_have_the_settings_that_differ():
    rates = [trial("Net", rate, learning_rate=rate / 10, blend="slist") for rate in (1, 2)]
    rates[0].metrics[f"{schema.BEST_TRIED}weight"] = 0.5
    ranking = content(*rates, trial("Other", 3)).ranking
    assert [(row.entry, settings_of(row, ranking)) for row in ranking.rows] == [
        ("Net + SLIST", "lr=0.1"),
        ("Net", "lr=0.2"),
        ("Other", ""),
    ]
