"""Short names of rows, where a table or a legend has no room for all their settings."""

from benchmark.reporting.ranking import Ranking, Row

MOST = 3  # settings in a label
SHORT = {"learning_rate": "lr"}


def labels(ranking: Ranking, places: list[int]) -> dict[int, str]:
    """A label for each of these places: place, model, and the settings in which the rows of one
    model differ, such as "2 BERT4Rec lr=0.003"."""
    rows = {place: ranking.rows[place - 1] for place in places}
    found = {}
    for place, row in rows.items():
        of_model = [other for other in rows.values() if other.entry == row.entry]
        differ = [name for name in ranking.searched if _differs(name, of_model)]
        settings = [f"{SHORT.get(name, name)}={row.params[name]}" for name in differ[:MOST]]
        found[place] = " ".join([str(place), row.entry or "unknown", *settings])
    return found


def settings_of(row: Row, ranking: Ranking) -> str:
    """The searched settings that the row has, such as "dropout=0.1 lr=0.003"."""
    names = [name for name in ranking.searched if name in row.params and name != "model"]
    return " ".join(f"{SHORT.get(name, name)}={row.params[name]}" for name in names)


def _differs(name: str, rows: list[Row]) -> bool:
    return all(name in row.params for row in rows) and len({row.params[name] for row in rows}) > 1
