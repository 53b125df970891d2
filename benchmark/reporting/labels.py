"""Short names of rows, where a table or a legend has no room for all their settings."""

from benchmark.reporting.ranking import Ranking, differs
from benchmark.reporting.row import Row
from benchmark.settings.declaration import LOGGED_BESIDE
from benchmark.tracking.reading.record import Param

MOST = 3  # settings in a label
LONGEST_MODEL = 32  # characters
LONGEST_VALUE = 16
SHORT = {"learning_rate": "lr"}


def labels(ranking: Ranking, places: list[int]) -> dict[int, str]:
    """A label for each of these places: place, model, and the settings in which the rows of one
    model differ, such as "2 BERT4Rec lr=0.003"."""
    rows = {place: ranking.rows[place - 1] for place in places}
    found = {}
    for place, row in rows.items():
        of_model = [other for other in rows.values() if other.entry == row.entry]
        differ = [name for name in ranking.searched if differs(name, of_model)]
        model = _shortened(row.entry, LONGEST_MODEL) or "unknown"
        found[place] = f"{place} {model} {_settings(row, differ[:MOST])}".rstrip()
    return found


def settings_of(row: Row, ranking: Ranking) -> str:
    """The settings in which the rows of its model differ, such as "dropout=0.1 lr=0.003".

    If no model has rows that differ in a setting, the searched settings are shown.
    """
    nothing = not any(ranking.tuned.values())
    searched = [name for name in ranking.searched if name not in LOGGED_BESIDE]
    return _settings(row, searched if nothing else ranking.tuned[row.entry])


def _settings(row: Row, names: list[str]) -> str:
    return " ".join(
        f"{SHORT.get(name, name)}={_value(row.params[name])}"
        for name in names
        if name in row.params and name != "model"
    )


def _value(value: Param) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"  # a sampled learning rate has sixteen digits
    return _shortened(str(value), LONGEST_VALUE)


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
