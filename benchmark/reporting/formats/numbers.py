"""A report's numbers in full precision, for programs: CSV (the rows) and JSON (everything)."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import asdict
from statistics import fmean
from typing import TYPE_CHECKING, Any

from benchmark.reporting.words import apart
from benchmark.tracking import schema

if TYPE_CHECKING:  # types alone: their modules load MLflow and pandas, slowly
    from benchmark.reporting.content import Content
    from benchmark.reporting.row import Row

# Where a spreadsheet may see a cell begin, whichever character it splits at, then the first
# character of a formula. Some read the wide ones of East Asian keyboards, too.
FORMULA = re.compile('(^|[;\t\r\n])(?=["\\s]*[=+\\-@\uff1d\uff0b\uff0d\uff20])')

COSTS = ("points_tried", "seconds", "parameters", "peak_memory_mb")
RESERVED = {"rank", "published", "scored", "seeds", "runs", *COSTS}
"""Columns of the CSV file that a setting may be called like."""


def render_csv(content: Content, name: str) -> dict[str, str | bytes]:
    """NAME.csv: a line for each row of the ranking, with parameters, then figures."""
    ranking = content.ranking
    lines = []
    for place, row in enumerate(ranking.rows, start=1):
        found = _row(place, row, content)
        line = {"rank": place, "published": found["published"], "scored": found["scored"]}
        line |= {"model": row.param("model")}
        settings = {name: row.param(name) for name in ranking.searched if name != "model"}
        line |= {apart(name, RESERVED): value for name, value in settings.items()}
        line |= {"seeds": len(row.records)}
        for part in ("valid", "test"):
            line |= {f"{part}/{metric}": mean for metric, mean in found[part].items()}
            line |= {f"{part}/{metric} sd": d for metric, d in found[f"{part} deviation"].items()}
        low, high = found.get("interval") or (None, None)
        line |= {"interval low": low, "interval high": high}
        low, high = found.get("interval_with_seeds") or (None, None)
        line |= {"interval with seeds low": low, "interval with seeds high": high}
        line |= {name: fmean(seeds) for name, seeds in found.get("beside_accuracy", {}).items()}
        line |= {key: found[key] for key in COSTS}
        line |= {"runs": " ".join(found["runs"])}
        lines.append(line)
    lines = [{harmless(key): harmless(value) for key, value in line.items()} for line in lines]
    columns = dict.fromkeys(column for line in lines for column in line)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return {f"{name}.csv": text.getvalue()}


def harmless(value: Any) -> Any:
    """The value; "" for one that is not a number.

    A text that a spreadsheet would run as a formula, whole or from a separator on, gets an
    apostrophe there.
    """
    if isinstance(value, str):
        return FORMULA.sub(r"\1'", value)
    return "" if isinstance(value, float) and math.isnan(value) else value


def render_json(content: Content, name: str) -> dict[str, str | bytes]:
    """NAME.json."""
    ranking = content.ranking
    comparison = content.comparison
    record: dict[str, object] = {
        "dataset": content.dataset.title,
        "verdict": content.verdict,
        "metric": ranking.metric,
        "protocol": ranking.own.records[0].tags.get(schema.PROTOCOL),
        "data_digest": ranking.own.records[0].tags.get(schema.DATA_DIGEST),
        "statistics": ranking.own.records[0].statistics,
        "leaderboard": _leaderboard(content),
        "rows": [_row(place, row, content) for place, row in enumerate(ranking.rows, start=1)],
        "warnings": [p for s in content.sections if s.heading == "Warnings" for p in s.points],
        "not_ranked": [
            {"run": record.run_id, "name": record.name, "why": why}
            for record, why in ranking.not_ranked
        ],
    }
    if comparison:
        beside = [asdict(row) for row in comparison.beside_the_first]
        record["comparison"] = {
            "metric": comparison.metric,
            "test": comparison.test,
            "correction": "holm",
            "pairs": [asdict(pair) for pair in comparison.pairs],
            "beside_the_first": beside,
            "sections": {
                section.heading: section.table
                for section in content.sections
                if section.heading in ("Cut-offs", "Slices")
            },
        }
    return {f"{name}.json": json.dumps(_finite(record), indent=1, ensure_ascii=False) + "\n"}


def _leaderboard(content: Content) -> list[dict[str, Any]]:
    """The best row of each model on validation."""
    from benchmark.reporting.labels import labels  # loads MLflow

    board = content.leaderboard
    names = labels(content.ranking, board.places)
    return [
        {
            "place": standing.place,
            "entry": standing.row.entry,
            "label": names[standing.place],
            "figures": {name: asdict(figure) for name, figure in standing.test.items()},
            "interval": standing.interval,
            "better_than": standing.better_than,
            "seconds": standing.row.seconds,
            "parameters": standing.row.metric("parameters"),
            "energy_kwh": standing.row.metric(schema.ENERGY),
        }
        for standing in board.standings
    ]


def _row(place: int, row: Row, content: Content) -> dict[str, Any]:
    ranking = content.ranking
    comparison = content.comparison
    deviations = {
        part: {name: row.deviation(part, name) for name in getattr(row, part)}
        for part in ("valid", "test")
    }
    found: dict[str, Any] = {
        "rank": place,
        "published": row.published,
        "scored": row.scored,
        "ranks_until": row.until,
        "params": {name: row.params[name] for name in sorted(row.params)},
        "seeds": [record.params.get("seed", "") for record in row.records],
        "valid": row.valid,
        "valid deviation": deviations["valid"],
        "test": row.test,
        "test deviation": deviations["test"],
        "seconds": row.seconds,
        "parameters": row.metric("parameters"),
        "peak_memory_mb": row.metric("peak_memory_mb"),
        "points_tried": (
            None if row.published or row.scored else ranking.points_tried.get(row.model)
        ),
        "runs": [record.run_id for record in row.records],
    }
    if comparison and place in comparison.places:
        found |= {"interval": comparison.intervals[place]}
        found |= {"interval_with_seeds": comparison.intervals_with_seeds[place]}
        found |= {"better_than": comparison.beaten_by(place)}
    if content.beside and place in content.beside.rows:
        found |= {"beside_accuracy": content.beside.rows[place]}
    return found


def _finite(found: object) -> object:
    """The same without NaN and infinity, which JSON does not have."""
    if isinstance(found, dict):
        return {key: _finite(part) for key, part in found.items()}
    if isinstance(found, list | tuple):
        return [_finite(part) for part in found]
    return None if isinstance(found, float) and not math.isfinite(found) else found
