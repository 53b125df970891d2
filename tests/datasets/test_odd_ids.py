"""Ids that differ in spaces, the coding of accents, or as 7 and 7.0 do are named, and a user that
stands for many."""

import unicodedata

import numpy as np
import pandas as pd
import pytest

from datasets.coding.odd_ids import crowds, lookalikes
from datasets.ids import Ids
from datasets.prepare import load
from datasets.sequences import from_interactions
from tests.datasets.test_load import described

COMPOSED = "caf\u00e9"


@pytest.mark.parametrize(
    ("ids", "pair"),
    [
        (["7", "8", "7.0"], "'7.0' and '7'"),
        (["7.0", "7.00"], "'7.00' and '7.0'"),
        (["a", " a"], "' a' and 'a'"),
        (["a b", "a\u00a0b"], "'a\\xa0b' and 'a b'"),
        ([COMPOSED, unicodedata.normalize("NFD", COMPOSED)], "'cafe\\u0301' and 'caf\\xe9'"),
    ],
)
def test_ids_that_look_alike_are_named(ids, pair):
    users = Ids.of(np.array(["u"]))
    (sentence,) = lookalikes(users, Ids.of(np.array(ids)))
    assert sentence.startswith("item ids that differ from others in outer")
    assert "alone: 1, such as" in sentence
    assert all(name in sentence for name in pair.split(" and "))
    assert len(lookalikes(Ids.of(np.array(ids)), users)) == 1


@pytest.mark.parametrize(
    "ids", [["1.5", "1.0", "x.0", "10"], ["\u00e9", "e", "E"], [" a", "b "], []]
)
def test_other_ids_are_not(ids):
    assert lookalikes(Ids.of(np.array(["u"])), Ids.of(np.array(ids, dtype=str))) == []


def test_preparing_says_so(here, capsys):
    (here / "data").mkdir()
    rows = [f"{item},u{user},5,{user}" for user in range(3) for item in ("7", "7.0", "8", "8 ")]
    (here / "data/mine.csv").write_text("\n".join(rows))
    load(described(here))
    out = capsys.readouterr().out
    assert "data/mine.csv: item ids that differ from others in outer or no-break spaces" in out
    assert "alone: 2, such as '7.0' and '7'; they count as different items" in out


def test_a_user_that_stands_for_many_is_named():
    def sentences(of_guest: int) -> list[str]:
        users = [f"u{n}" for n in range(1_000) for _ in range(5)] + ["guest"] * of_guest
        items = [f"i{n % 7}" for n in range(len(users))]
        return crowds(from_interactions(pd.DataFrame({"user": users, "item": items})))

    (sentence,) = sentences(1_000)
    assert sentence.startswith("user 'guest' has 1,000 interactions, 16.7% of all: if it stands")
    assert sentence.endswith("leave its rows out, by filters: where_not")
    assert sentences(100) == []  # 2%, twenty times an average user
