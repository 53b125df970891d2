"""Examples in the report: what the best trial recommends, with the titles of the items."""

from pathlib import Path

import pandas as pd


def examples(run_verb) -> list[list[str]]:
    """The cells of the report's table of examples."""
    done = run_verb("report", "--experiment", "mine", "--no-log", "--output", "-")
    assert done.returncode == 0, done.stderr
    section = done.stdout.split("## Examples\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def test_the_report_shows_what_some_users_get(run_verb, own_data, store):
    items = [f"i{n}" for n in range(23)]
    long = "x" * 100
    titled = {item: f"Film {item}" for item in items} | {"i2": long, "i6": None}
    pd.DataFrame({"id": list(titled), "name": list(titled.values())}).to_csv("data/t.csv")
    with Path(own_data).open("a") as file:
        file.write("titles: {file: t.csv, reader: csv, columns: {item: id, title: name}}\n")
    assert run_verb("train", "--dataset", own_data, "--model", "Markov").returncode == 0
    run = store.search_runs([store.get_experiment_by_name("mine").experiment_id])[0]
    folder = store.download_artifacts(run.info.run_id, "")
    ranks = pd.read_parquet(f"{folder}/ranks/test.parquet").set_index("user")
    lists = pd.read_parquet(f"{folder}/lists/test.parquet")

    def title(item: str) -> str:
        return {"i2": f"{long[:23]}…", "i6": "i6"}.get(item, titled[item])

    found = examples(run_verb)
    assert 1 < len(found) <= 5
    for user, target, rank, best in found:
        of_user = lists[lists["user"] == user].sort_values("rank")
        assert best == "; ".join(title(item) for item in of_user["item"][:5])
        assert target == title(ranks.loc[user, "item"])
        assert rank == f"{ranks.loc[user, 'rank']}"
    assert [int(row[2]) for row in found] == sorted(int(row[2]) for row in found)

    Path("data/t.csv").unlink()  # ids then
    assert examples(run_verb)[0][1] == ranks.loc[found[0][0], "item"]
