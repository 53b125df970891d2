"""What the full report says beyond the published page: every trial, and how to get it again."""

from tabulate import tabulate

from benchmark.ranking import Ranking, Row, value
from benchmark.tracking import Record, schema

SHOWN = ("recall@10", "mrr@10", "ndcg@10")  # hit is recall, and precision a tenth of it


def render(ranking: Ranking) -> str:
    """Markdown that goes on where the page ends."""
    sections = {
        "Trials": f"{_note(ranking)}\n\n{trials(ranking)}",
        "Not ranked": _not_ranked(ranking),
        "Protocol": _protocol(ranking),
        "Data": _data(ranking),
        "Commands": _commands(ranking),
    }
    return "".join(f"\n## {heading}\n\n{text}\n" for heading, text in sections.items() if text)


def trials(ranking: Ranking) -> str:
    """The ranked table, best first; of several seeds mean and standard deviation."""
    several = any(len(row.records) > 1 for row in ranking.rows)
    cells = []
    for place, row in enumerate(ranking.rows, start=1):
        cells.append(
            {
                "rank": place,
                "model": row.params.get("model", ""),
                **{name: value(row, name) for name in ranking.searched if name != "model"},
                **({"seeds": len(row.records)} if several else {}),
                f"valid {ranking.metric}": _metric(row, "valid", ranking.metric),
                **{f"test {name}": _metric(row, "test", name) for name in SHOWN},
                "best epoch": _best_epochs(row),
                "seconds": _seconds(row),
                "run": " ".join(record.run_id[:8] for record in row.records),
            }
        )
    return _table(cells)


def _metric(row: Row, part: str, name: str) -> str:
    deviation = row.deviation(part, name)
    mean = f"{getattr(row, part)[name]:.4f}"
    return mean if deviation is None else f"{mean} ± {deviation:.4f}"


def _best_epochs(row: Row) -> str:
    best = ", ".join(_text(record.best_epoch) for record in row.records)
    last = dict.fromkeys(_text(record.last_epoch) for record in row.records)
    return f"{best} of {', '.join(last)}"


def _seconds(row: Row) -> str:
    """Mean over the trials that were timed."""
    seconds = [record.seconds for record in row.records if record.seconds is not None]
    return f"{sum(seconds) / len(seconds):.1f}" if seconds else ""


def _note(ranking: Ranking) -> str:
    note = (
        f"Ranked by validation {ranking.metric}. Test was computed once for each trial, with the "
        "weights of its best epoch on validation."
    )
    if any(len(row.records) > 1 for row in ranking.rows):
        note += " Trials that differ in the seed alone are one row: mean ± standard deviation."
    if ranking.records[0].tags.get(schema.SYNTHETIC) == "true":
        note += " **The data are synthetic**: these numbers say nothing about real users."
    return note


def _not_ranked(ranking: Ranking) -> str:
    return _table(
        [
            {"trial": record.name, "run": record.run_id[:8], "why": reason}
            for record, reason in ranking.not_ranked
        ]
    )


def _protocol(ranking: Ranking) -> str:
    tags, params = ranking.records[0].tags, ranking.best.params
    if schema.PROTOCOL not in tags:
        return ""
    lines = [part.strip() for part in tags[schema.PROTOCOL].split(";")]
    if "max_length" in params:
        lines.append(f"at most {params['max_length']} positions are seen")
    return "\n".join(f"- {_escape(line)}" for line in lines)


def _data(ranking: Ranking) -> str:
    numbers, tags = ranking.records[0].statistics, ranking.records[0].tags
    if not numbers:
        return ""
    row = {
        "users": f"{numbers['users']:,}",
        "items": f"{numbers['items']:,}",
        "interactions": f"{numbers['interactions']:,}",
        "per user": f"{numbers['interactions_per_user']:.1f}",
        "per item": f"{numbers['interactions_per_item']:.1f}",
        "sparsity": f"{numbers['sparsity']:.2%}",
        "users not evaluated": f"{numbers['users_not_evaluated']:,}",
        "digest": tags.get(schema.DATA_DIGEST, ""),
    }
    return _table([row])


def _commands(ranking: Ranking) -> str:
    return _table(
        [
            {
                "rank": place,
                "command": f"`{record.tags[schema.COMMAND]}`",
                "commit": _commit(record),
                "device": record.tags.get(schema.DEVICE, ""),
            }
            for place, row in enumerate(ranking.rows, start=1)
            for record in row.records
            if schema.COMMAND in record.tags
        ]
    )


def _commit(record: Record) -> str:
    commit = record.tags.get(schema.GIT_COMMIT, "")
    return commit[:10] + ("+" if commit.endswith("+") else "")


def _table(rows: list[dict]) -> str:
    if not rows:
        return ""
    cells = [{_escape(name): _escape(cell) for name, cell in row.items()} for row in rows]
    return tabulate(cells, headers="keys", tablefmt="github", disable_numparse=True)


def _escape(cell: object) -> str:
    """Text that stays within its cell and is no markup."""
    text = " ".join(_text(cell).split())
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")


def _text(value: object) -> str:
    return "?" if value is None else str(value)
