"""A trial and its report with ``targets: last-tied``, from a CSV file with equal times to numbers
that loops over users give, too."""

import json
from collections import Counter
from math import log2

import numpy as np
import pandas as pd
import pytest
import yaml

USERS = 60
ITEMS = 40


@pytest.fixture
def baskets(here):
    """{user: baskets, oldest first}, each a list of items; described by mine.yaml.

    The first ten users have two baskets, the others four to six.
    """
    chance = np.random.default_rng(0)
    found = {
        f"u{user:02}": [
            [f"i{item:02}" for item in chance.geometric(0.08, chance.integers(1, 7)) % ITEMS]
            for _ in range(2 if user < 10 else chance.integers(4, 7))
        ]
        for user in range(USERS)
    }
    rows = [
        f"{user},{item},{day}\n"
        for user, of in found.items()
        for day, basket in enumerate(of)
        for item in basket
    ]
    (here / "data").mkdir()
    (here / "data/mine.csv").write_text("user,item,day\n" + "".join(chance.permutation(rows)))
    columns = {"user": "user", "item": "item", "timestamp": "day"}
    source = {"file": "mine.csv", "reader": "csv", "columns": columns}
    (here / "mine.yaml").write_text(
        yaml.safe_dump({"title": "Mine", "sources": [source], "targets": "last-tied"})
    )
    return found


def metrics_of(ranks, k=10):
    """(recall, ndcg, precision) of one user."""
    hits = [rank for rank in ranks if rank <= k]
    ideal = sum(1 / log2(place + 1) for place in range(1, min(k, len(ranks)) + 1))
    gain = sum(1 / log2(rank + 1) for rank in hits)
    return np.array([len(hits) / len(ranks), gain / ideal, len(hits) / k])


def popularity_ranks(baskets):
    """{(user, target): (rank, whether repeated)} of Popularity, by its definition."""
    train = {user: of[:-2] if len(of) >= 3 else of for user, of in baskets.items()}
    counts = Counter(item for of in train.values() for basket in of for item in basket)
    catalogue = {item for of in baskets.values() for basket in of for item in basket}
    found = {}
    for user, of in baskets.items():
        for item in set(of[-1]) if len(of) >= 3 else ():
            rank = sum(counts[other] >= counts[item] for other in catalogue)
            found[user, item] = (rank, any(item in basket for basket in of[:-1]))
    return found


def test_a_basket_is_evaluated_user_by_user_up_to_the_report(baskets, run_verb, store):
    for model in ("Popularity", "RepeatLast"):
        done = run_verb("train", "--dataset", "mine.yaml", "--model", model)
        assert done.returncode == 0, done.stderr
    expected = popularity_ranks(baskets)
    evaluated = [user for user, of in baskets.items() if len(of) >= 3]
    assert f"{len(expected)} targets of {len(evaluated)} users for test" in done.stdout

    experiment = store.get_experiment_by_name("mine").experiment_id
    runs = {run.data.params["model"]: run for run in store.search_runs([experiment])}
    tables = {}
    for model, run in runs.items():
        path = store.download_artifacts(run.info.run_id, "ranks/test.parquet")
        table = pd.read_parquet(path)
        tables[model] = {
            (row.user, row.item): (row.rank, row.repeated) for row in table.itertuples()
        }
        assert len(table) == len(tables[model]) == len(expected)
        assert run.data.tags["protocol"].startswith(
            "leave-one-out, all items of the target's time; every item a candidate; "
        )
    assert tables["Popularity"] == expected

    def by_user(model, chosen=lambda repeated: True):
        """The metrics of the users who have a target that is chosen: {user: [3]}."""
        ranks = {}
        for (user, _), (rank, repeated) in tables[model].items():
            if chosen(repeated):
                ranks.setdefault(user, []).append(rank)
        return {user: metrics_of(of) for user, of in sorted(ranks.items())}

    for model, run in runs.items():
        means = np.mean(list(by_user(model).values()), axis=0)
        logged = [run.data.metrics[f"test/{n}_at_10"] for n in ("recall", "ndcg", "precision")]
        assert logged == pytest.approx(means.tolist())

    done = run_verb("report", "--experiment", "mine", "--format", "json", "--output", "-")
    assert done.returncode == 0, done.stderr
    assert "its ranks give" not in done.stderr
    content = json.loads(done.stdout)
    first, second = (row["params"]["model"] for row in content["rows"])
    one, other = (np.stack(list(by_user(model).values())) for model in (first, second))
    (beside,) = content["comparison"]["beside_the_first"]
    difference = one[:, 1] - other[:, 1]  # of ndcg
    assert beside["difference"] == pytest.approx(difference.mean())
    assert beside["win"] == pytest.approx((difference > 1e-12).mean())
    assert beside["loss"] == pytest.approx((difference < -1e-12).mean())
    sections = content["comparison"]["sections"]
    cut_offs = {row["metric"]: row[f"1 {first}"] for row in sections["Cut-offs"]}
    assert cut_offs["precision@10"] == f"{one[:, 2].mean():.4f}"
    slices = {row["part"]: row for row in sections["Slices"] if row["by"] == "target"}
    for part, chosen in (("repeated", lambda repeated: repeated), ("new", lambda r: not r)):
        values = by_user(first, chosen)
        assert slices[part]["users"] == str(len(values))
        assert slices[part]["targets"] == str(sum(chosen(r) for _, r in expected.values()))
        assert slices[part][f"1 {first}"] == f"{np.mean([v[1] for v in values.values()]):.4f}"
    histories = [row for row in sections["Slices"] if row["by"] == "history length"]
    assert sum(int(row["users"]) for row in histories) == len(evaluated)
    assert sum(int(row["targets"]) for row in histories) == len(expected)
