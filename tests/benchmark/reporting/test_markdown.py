"""The markdown report: the verdict and the leaderboard, then the published layout."""

from dataclasses import replace

import pytest

from benchmark.reporting.formats import markdown, page
from tests.benchmark.reporting.made import content, trial
from tests.benchmark.reporting.test_report import rows

MODELS = [trial("Good", 1, 1), trial("Good", 2, 1, layers=1), trial("Twin", 1, 2), trial("Bad", 3)]


def test_the_leaderboard_stands_between_the_verdict_and_the_page():
    found = content(*MODELS, verdict=("Good leads.",))
    text = markdown.render(found, "e")["e.md"]
    above, _, below = text.partition("# Sequential Recommendation\n")
    assert above.startswith("Good leads.\n\n|   rank | model ")
    assert below.index("(hyper.result)") < below.index("## Trials")
    head, align, *table = rows(above)
    assert head[-3:] == ["95% interval", "seconds", "parameters"]
    assert (align[0][-1], align[1][0]) == (":", ":")  # numbers right, text left
    assert [row[:2] for row in table] == [["1", "Good"], ["2", "Twin"], ["4", "Bad"]]
    metric = head.index("test ndcg@10")
    bold = [row[metric].startswith("**") and row[metric].endswith("**") for row in table]
    assert bold == [True, True, False]
    assert above.endswith(
        "\n\nOne row for each model: its best on validation. Bold: the best test metrics, and "
        "those that are not significantly worse.\n\n"
    )


@pytest.mark.parametrize(
    ("trials", "kept"),
    [
        (MODELS[:2], True),  # one model by hand
        (MODELS, False),
        ([MODELS[0], replace(MODELS[1], tags=MODELS[1].tags | {"sweep": "s"})], False),
    ],
)
def test_the_space_of_several_searches_is_only_in_the_page_alone(trials, kept):
    ranking = content(*trials).ranking
    assert ("(hyper.test)" in page.render(ranking, "Title", None)) is kept
    assert "(hyper.test)" in page.render(ranking, "Title", None, pooled=True)
