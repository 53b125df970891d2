"""Files of other libraries give the ranks that seqrec gives the same scores."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from benchmark.scoring import matrix
from benchmark.scoring.queries import Queries, ScoreError
from benchmark.scoring.score import ranks_of
from datasets.sequences import Sequences, from_interactions
from datasets.splitting.splits import leave_one_out
from datasets.splitting.targets import Targets
from models.batches import pairs, within
from models.ranking import MISS, rank

N_ITEMS = 40


@pytest.fixture(scope="module", params=["one target", "baskets"])
def asked(request) -> tuple[Sequences, Targets]:
    """Random users, some of whom are not evaluated, and their test targets."""
    draw = np.random.default_rng(3)
    rows = [
        (f"u{user}", f"i{draw.integers(N_ITEMS)}", int(draw.integers(12)))
        for user in range(50)
        for _ in range(1 + user % 14)
    ]
    rows += [("all", f"i{item}", item) for item in range(N_ITEMS)]
    sequences = from_interactions(pd.DataFrame(rows, columns=["user", "item", "timestamp"]))
    return sequences, leave_one_out(sequences, whole_baskets=request.param == "baskets").test


def queries(asked, path, masked) -> Queries:
    sequences, targets = asked
    all_of = np.ones(len(targets.users), bool)
    return Queries(Path(path), sequences, targets, all_of, masked=masked)


def scores_of(asked, levels: int) -> np.ndarray:
    """[n_queries, N_ITEMS]; few levels give many ties."""
    n = queries(asked, "", False).n
    return np.random.default_rng(levels).integers(levels, size=(n, N_ITEMS)).astype(np.float32)


def expected(asked, scores: np.ndarray, masked: bool) -> np.ndarray:
    """The ranks of ``models.ranking.rank``."""
    sequences, targets = asked
    all_of = queries(asked, "", masked)
    seen = None
    if masked:
        items = torch.from_numpy(sequences.items.astype(np.int64))
        seen = pairs(items, targets.starts[all_of.first], targets.ends[all_of.first])
    row, _ = within(np.diff(all_of.first, append=len(targets.users)))
    wanted = torch.from_numpy(all_of.target_items)
    model = matrix.Given(N_ITEMS)
    return rank(model, torch.from_numpy(scores), wanted, seen, torch.from_numpy(row)).numpy()


def users(asked) -> np.ndarray:
    """The raw id of each query's user."""
    sequences, targets = asked
    return sequences.user_ids[targets.users[queries(asked, "", False).first]]


def listed(asked, scores: np.ndarray, k: int) -> pd.DataFrame:
    """The best k items of each query in random order: user, query, item, score, rank."""
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    n = len(scores)
    rows = pd.DataFrame(
        {
            "user": np.repeat(users(asked), k),
            "query": np.repeat(np.arange(n), k),
            "item": asked[0].item_ids[best.ravel()],
            "score": np.take_along_axis(scores, best, 1).ravel(),
            "rank": np.tile(np.arange(1, k + 1), n),
        }
    )
    return rows.sample(frac=1, random_state=1)


def save(asked, **changes) -> None:
    np.savez("scores.npz", **{"users": users(asked), "items": asked[0].item_ids} | changes)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("levels", [1, 3, 10**6])
def test_scores_of_all_items_give_exactly_the_ranks_of_the_suite(
    here, asked, levels, masked, monkeypatch
):
    scores = scores_of(asked, levels)
    truth = expected(asked, scores, masked)
    for size in (1, 100, 1 << 23):
        monkeypatch.setattr(matrix, "SCORES_PER_BLOCK", size)
        save(asked, scores=scores)
        found = matrix.ranks_of(queries(asked, "scores.npz", masked))
        assert found.ranks.tolist() == truth.tolist()
        assert (found.until, found.remarks) == (None, [])
    order = np.random.default_rng(1).permutation(len(scores))
    parts = np.array_split(order, 3)
    chunks = {f"users_{n}": users(asked)[part] for n, part in enumerate(parts)}
    chunks |= {f"scores_{n}": scores[part].astype(np.float64) for n, part in enumerate(parts)}
    np.savez_compressed("chunks.npz", items=asked[0].item_ids, **chunks)
    found = matrix.ranks_of(queries(asked, "chunks.npz", masked))
    assert found.ranks.tolist() == truth.tolist()


def test_items_without_a_score_and_users_that_are_missing(here, asked):
    scores = scores_of(asked, 10**6)
    known = np.arange(N_ITEMS) != 7
    some = np.ascontiguousarray(scores[2:, known])
    save(asked, scores=some, items=asked[0].item_ids[known], users=users(asked)[2:])
    found = matrix.ranks_of(queries(asked, "scores.npz", False))
    wanted = queries(asked, "", False).target_items
    scores[:, 7] = -np.inf
    truth = expected(asked, scores, False)
    assert (truth[wanted == 7] == N_ITEMS).all()
    missing = asked[1].queries < 2
    assert found.ranks.tolist() == np.where(missing, MISS, truth).tolist()
    assert found.remarks == [
        f"2 of {len(scores)} users have no result in the file: their targets count as misses",
        "1 items have no score: they rank behind all others",
    ]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("levels", [3, 10**6])
@pytest.mark.parametrize("k", [25, N_ITEMS])
def test_lists_give_the_ranks_up_to_their_end_in_every_layout(here, asked, k, levels, masked):
    scores = scores_of(asked, levels)
    if masked:  # as libraries that leave out the history do
        seen = pairs(
            torch.from_numpy(asked[0].items.astype(np.int64)),
            *(at[queries(asked, "", masked).first] for at in (asked[1].starts, asked[1].ends)),
        )
        scores[seen[0], seen[1]] = -np.inf
    truth = expected(asked, scores, masked)
    rows = listed(asked, scores, k)
    ordered = rows.sort_values(["query", "rank"])
    if masked:
        rows = rows[rows["score"] > -np.inf]
        ordered = ordered[ordered["score"] > -np.inf]
    rows.drop(columns=["rank", "query"]).to_parquet("a.parquet")
    rows.rename(columns={"user": "user_id", "item": "item_id"}).to_csv("b.csv", index=False)
    rows.drop(columns=["rank", "user"]).to_csv("c.csv.gz", index=False)
    of = ordered.groupby("user", sort=False)
    both = pd.DataFrame({"items": of["item"].agg(list), "scores": of["score"].agg(list)})
    both.reset_index().to_parquet("d.parquet")
    text = both.map(lambda found: " ".join(map(str, found)))
    text.reset_index().to_csv("e.csv", index=False)
    for name in ("a.parquet", "b.csv", "c.csv.gz", "d.parquet", "e.csv"):
        found = ranks_of(queries(asked, name, masked))
        tied = [remark for remark in found.remarks if "more items may tie" in remark]
        assert bool(tied) == (levels == 3 and k < N_ITEMS)
        assert found.until == (None if k == N_ITEMS else k - len(tied))
        known = truth <= (found.until or N_ITEMS)
        assert found.ranks.tolist() == np.where(known, truth, MISS).tolist()
    ordered[["user", "item", "rank"]].to_parquet("f.parquet")
    found = ranks_of(queries(asked, "f.parquet", masked))
    if levels > 3:
        assert found.ranks.tolist() == np.where(truth <= k, truth, MISS).tolist()


def test_ties_at_the_end_of_a_list_of_ten_are_not_guessed(here, asked):
    listed(asked, scores_of(asked, 3), 10).drop(columns="rank").to_csv("a.csv", index=False)
    with pytest.raises(ScoreError, match="targets have the score of the last items of their list"):
        ranks_of(queries(asked, "a.csv", False))
    listed(asked, scores_of(asked, 10**6), 10).drop(columns="rank").to_csv("a.csv", index=False)
    assert ranks_of(queries(asked, "a.csv", False)).until == 10


def test_history_items_are_dropped_and_shorten_what_is_known(here, asked):
    """The library left the history in its lists: a rank is known as far as all lists reach."""
    scores = scores_of(asked, 10**6)
    truth = expected(asked, scores, True)
    listed(asked, scores, 30).to_parquet("a.parquet")
    found = ranks_of(queries(asked, "a.parquet", True))
    assert 12 < found.until < 30
    known = truth <= found.until
    assert found.ranks.tolist() == np.where(known, truth, MISS).tolist()
    assert any("items are in their query's history: left out" in r for r in found.remarks)
    listed(asked, scores, 12).to_parquet("a.parquet")
    with pytest.raises(ScoreError, match="its lists have 12 items, of which up to"):
        ranks_of(queries(asked, "a.parquet", True))


def test_stated_ranks_are_taken_as_they_are(here, asked):
    truth = expected(asked, scores_of(asked, 10**6), True)
    of_target = users(asked)[asked[1].queries]
    items = asked[0].item_ids[queries(asked, "", True).target_items]
    rows = pd.DataFrame({"user": of_target, "target": items, "rank": np.minimum(truth, N_ITEMS)})
    rows.sample(frac=1, random_state=1).to_csv("ranks.csv", index=False)
    found = ranks_of(queries(asked, "ranks.csv", True))
    assert found.ranks.tolist() == truth.tolist()
    rows.drop(columns="target").to_csv("ranks.csv", index=False)
    if asked[1].n_users < len(items):
        with pytest.raises(ScoreError, match="a column target should name the one"):
            ranks_of(queries(asked, "ranks.csv", True))
    else:
        found = ranks_of(queries(asked, "ranks.csv", True))
        assert found.ranks.tolist() == truth.tolist()
    rows[1:].to_csv("ranks.csv", index=False)
    assert ranks_of(queries(asked, "ranks.csv", True)).ranks[0] == MISS


def test_short_lists_and_users_without_a_target_are_counted(here, asked):
    scores = scores_of(asked, 10**6)
    rows = listed(asked, scores, 20).drop(columns="query")
    first = users(asked)[0]
    rows = rows[(rows["user"] != first) | (rows["rank"] <= 3)]
    idle = sorted(set(asked[0].user_ids) - set(users(asked)))[0]
    more = pd.DataFrame({"user": [idle], "item": ["i1"], "score": [1.0], "rank": [1]})
    pd.concat([rows, more]).to_parquet("a.parquet")
    found = ranks_of(queries(asked, "a.parquet", False))
    assert found.until == 20
    assert found.remarks == [
        "1 rows are of users without a target here: ignored",
        "1 lists have fewer than 20 items: items beyond their end count as not recommended",
    ]


LINES = {
    "unknown item": ("user,item,score\nu3,i99,1\n", "item 'i99' is not in the data set"),
    "unknown user": ("user,item,score\nx,i1,1\n", "user 'x' is not in the data set"),
    "twice": ("user,item,score\nu3,i1,1\nu3,i1,2\n", "the list of user 'u3' has item 'i1' twice"),
    "NaN": ("user,item,score\nu3,i1,nan\n", "a score of user 'u3' is not a number"),
    "a word": ("user,item,score\nu3,i1,high\n", "column score should be numbers"),
    "an empty cell": ("user,item,rank\nu3,i1,\n", "column rank should be whole numbers"),
    "no column": ("user,item\nu3,i1\n", "no column rank or score beside item"),
    "no user": ("person,item,rank\nu3,i1,1\n", "no column user; there are: person, item, rank"),
    "two users": ("user,user_id,rank\nu3,u3,1\n", "two columns are called user or user_id"),
    "nothing": ("", "cannot be read: Empty CSV file"),
    "no rows": ("user,item,rank\n", "the file has no rows"),
    "nobody": ("user,item,rank\nu0,i1,1\n", "no row is of a user with a target in this part"),
    "from 0": ("user,item,rank\nu3,i1,0\nu3,i2,1\n", "the best item has rank 1, not 0"),
    "a gap": ("user,item,rank\nu3,i1,1\nu3,i2,3\n", "user 'u3' should have one list, with the"),
    "a rise": ("user,item,rank,score\nu3,i1,1,1\nu3,i2,2,2\n", "higher score at a later rank"),
    "two lists": ("user,items\nu3,i1 i2\nu3,i3\n", "user 'u3' should have one list"),
    "other scores": ("user,items,scores\nu3,i1 i2,5\n", "another number of scores"),
    "too short": ("user,item,rank\nu3,i1,1\n", "its lists have 1 items: the metrics at 10 need 10"),
    "rank 0": ("user,rank,target\nu3,0,{0}\n", "a rank is 0: ranks are 1 to 40"),
    "two ranks": ("user,rank,target\nu3,1,{0}\nu3,2,{0}\n", "user 'u3' stands there twice"),
    "no target": ("user,rank,target\nu3,1,{1}\n", "a target of user 'u3' is none in this part"),
    "no such query": ("query,item,rank\n999,i1,1\n", "there is no query 999: queries are 0 to"),
    "neither": ("user\nu3\n", "columns are missing; there are: user; needed are user, item and"),
}


@pytest.mark.parametrize(("content", "reason"), LINES.values(), ids=LINES)
def test_a_table_that_cannot_be_scored_is_one_line(here, asked, content, reason):
    sequences, targets = asked
    user = list(sequences.user_ids).index("u3")
    items = sequences.item_ids[sequences.items[targets.positions[targets.users == user]]]
    others = [item for item in sequences.item_ids if item not in items]
    Path("a.csv").write_text(content.format(items[0], others[0]))
    with pytest.raises(ScoreError) as error:
        ranks_of(queries(asked, "a.csv", False))
    assert reason in str(error.value)
    assert str(error.value).startswith("a.csv: ")
    assert "\n" not in str(error.value)


def test_parquet_of_other_types_and_other_files_are_one_line(here, asked):
    pd.DataFrame({"user": ["u3"], "item": ["i1"], "rank": [1.5]}).to_parquet("a.parquet")
    pd.DataFrame({"user": [3.0], "item": ["i1"], "rank": [1]}).to_parquet("b.parquet")
    pd.DataFrame({"user": ["u3"], "item": [None], "rank": [1]}).to_parquet("c.parquet")
    pd.DataFrame({"user": ["u3"], "item": ["i1"], "score": [np.nan]}).to_parquet("d.parquet")
    Path("e.parquet").write_text("no parquet")
    Path("f.txt").write_text("u3 i1 1")
    Path("g.csv").mkdir()
    for name, reason in {
        "a.parquet": "column rank has type double: it should be whole numbers",
        "b.parquet": "column user has type double: it should be text or whole numbers",
        "c.parquet": "column item has",
        "d.parquet": "column score has cells that are empty or NaN",
        "e.parquet": "cannot be read: ",
        "f.txt": "its name should end in .parquet, .csv, .csv.gz or .npz",
        "g.csv": "is not a file",
        "h.csv": "no such file",
    }.items():
        with pytest.raises(ScoreError, match=f"^{name}: {reason}") as error:
            ranks_of(queries(asked, name, False))
        assert "\n" not in str(error.value)


def test_scores_that_cannot_be_used_are_one_line(here, asked):
    scores = scores_of(asked, 10)
    items = asked[0].item_ids
    wrong = scores.copy()
    wrong[1, 1] = np.nan
    for reason, arrays in {
        r"scores has scores that are not numbers \(NaN\)": {"scores": wrong},
        "an item stands twice in items": {"items": np.where(items == "i2", "i1", items)},
        "item 'x' is not in the data set": {"items": np.where(items == "i2", "x", items)},
        "a user stands there twice": {"users": np.repeat(users(asked)[:1], len(scores))},
        "scores should be floats of shape .* it has type int64": {"scores": scores.astype(int)},
        "scores should be floats of shape .* in Fortran": {"scores": np.asfortranarray(scores)},
        "scores should be floats of shape .*, users times": {"scores": scores[:, 1:].copy()},
        "users should be an array of text or whole": {"users": users(asked).astype(object)},
        "items should be an array of text or whole": {"items": np.arange(N_ITEMS) * 1.0},
        "there is no array users_1 for scores_1": {"scores_1": scores},
    }.items():
        save(asked, **{"scores": scores} | arrays)
        with pytest.raises(ScoreError, match=f"^scores.npz: {reason}"):
            matrix.ranks_of(queries(asked, "scores.npz", False))
    np.savez("scores.npz", users=users(asked), items=items)
    with pytest.raises(ScoreError, match="it should have the arrays items, users and scores"):
        matrix.ranks_of(queries(asked, "scores.npz", False))
    save(asked, scores=scores)
    Path("cut.npz").write_bytes(Path("scores.npz").read_bytes()[:-300])
    Path("text.npz").write_text("no archive")
    for name in ("cut.npz", "text.npz", "none.npz"):
        with pytest.raises(
            ScoreError, match=rf"^{name}: cannot be read as an .npz file: "
        ) as error:
            matrix.ranks_of(queries(asked, name, False))
        assert "\n" not in str(error.value)


def test_users_with_several_queries_are_named_by_number(here, asked):
    """Each target is a query of its own, as in splits by files."""
    sequences, targets = asked
    at = np.arange(len(targets.users))
    one_each = Targets(targets.users, targets.starts, targets.ends + (at % 2), targets.positions)
    n = int(one_each.queries[-1]) + 1
    if n == one_each.n_users:
        return
    all_of = queries((sequences, one_each), "a.csv", masked=False)
    Path("a.csv").write_text("user,item,rank\nu3,i1,1\n")
    with pytest.raises(
        ScoreError, match="users have several queries in this split: a column query"
    ):
        ranks_of(all_of)
    best = pd.DataFrame({"query": np.arange(n), "items": [sequences.item_ids.tolist()] * n})
    best.to_parquet("b.parquet")
    found = ranks_of(queries((sequences, one_each), "b.parquet", masked=False))
    assert found.ranks.tolist() == (all_of.target_items + 1).tolist()
