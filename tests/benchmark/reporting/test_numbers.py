"""The report for programs: every number in full."""

import csv
import io
import json

from benchmark.reporting.formats import numbers
from tests.benchmark.reporting.made import content, trial

TRIALS = [
    trial("Good", 1, 1),
    trial("Good", 1, 2),
    trial("Good", 2, 1, learning_rate=-1e-5, extra="=1+1;@x"),
    trial("Bad", 3, learning_rate=0.01, extra="none"),
]


def test_json_has_the_leaderboard():
    found = content(*TRIALS)
    good, bad = json.loads(numbers.render_json(found, "e")["e.json"])["leaderboard"]
    assert [(row["place"], row["entry"], row["label"]) for row in (good, bad)] == [
        (1, "Good", "1 Good"),
        (3, "Bad", "3 Bad"),
    ]
    figure = found.leaderboard.standings[0].test["ndcg@10"]
    assert list(good["figures"]) == ["ndcg@10", "recall@10", "mrr@10"]
    assert good["figures"]["ndcg@10"] == {
        "mean": figure.mean,
        "deviation": figure.deviation,
        "best": True,
        "level": True,
        "second": False,
    }
    assert bad["figures"]["ndcg@10"]["level"] is False
    low, high = good["interval"]
    assert low < figure.mean < high
    assert (good["better_than"], bad["better_than"]) == ([3], [])
    assert (good["seconds"], good["parameters"]) == (1357.6, 123456)


def test_csv_cells_are_numbers_or_harmless_text():
    rows = [*csv.DictReader(io.StringIO(numbers.render_csv(content(*TRIALS), "e")["e.csv"]))]
    assert [row["learning_rate"] for row in rows] == ["0.001", "-1e-05", "0.01"]
    assert [row["extra"] for row in rows] == ["", "'=1+1;'@x", "none"]
