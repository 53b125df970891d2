"""Boards that no store holds, for tests of what a page shows of them. All figures are invented."""

import random
from dataclasses import replace

from benchmark.leaderboards.board import Board, Cell, Column, Entry, Outcome

PROTOCOL = "leave-one-out; every item a candidate; history not masked; ties rank last"
SPLIT_BY_TIME = PROTOCOL.replace("leave-one-out", "temporal")

MODELS = (  # name, kind, origin, quality, seconds, parameters
    ("BERT4Rec", "learned", "", 1.0, 2900.0, 318_000),
    ("SASRec", "learned", "", 0.98, 1900.0, 303_284),
    ("GRU4Rec", "learned", "", 0.93, 1800.0, 285_940),
    ("SLIM", "counted", "", 0.9, 40.0, 1_200_000),
    ("Markov", "counted", "", 0.55, 0.4, 0),
    ("Popularity", "counted", "", 0.1, 0.02, 0),
    ("SASRec", "scored", "", 0.95, None, None),
    ("SASRec", "learned", "lab-b", 0.97, 2400.0, 303_284),
    ("GRU4Rec", "published", "", 0.8, None, None),
)


def outcomes(model, mean, seeds, link="", deviation=0.002):
    """One for each seed."""
    rng = random.Random(f"{model} {mean}")
    found = []
    for seed in range(1, seeds + 1):
        value = mean + rng.uniform(-deviation, deviation) * (seeds > 1)
        test = {"recall@10": 1.75 * value, "mrr@10": 0.77 * value, "ndcg@10": value}
        command = f"mlflow run . -P dataset=ml-1m -P model={model} -P seed={seed}"
        run = f"{rng.getrandbits(128):032x}"
        outcome = Outcome(run, seed, test, commit="f986408ac5", command=command)
        found.append(replace(outcome, link=link and f"{link}/{run}"))
    return tuple(found)


def cell(entry, mean, seconds, parameters, seeds=3, level=False, points=12, settings=""):
    if entry.kind != "learned":
        seeds, points = 1, 1
    return Cell(
        outcomes(entry.model, mean, seeds, "https://mlflow.example/#/runs"),
        settings=settings,
        points_tried=points if entry.kind in ("learned", "counted") else None,
        seconds=seconds,
        memory_mb=None if seconds is None else 480 + (parameters or 0) / 900,
        parameters=parameters,
        energy_kwh=None if seconds is None else 0.00001 + seconds * 8e-6,
        device="CPU (x86_64), threads: 1",
        interval=(mean * 0.96, mean * 1.04),
        level=level,
    )


def realistic() -> Board:
    """Four data sets, one of them without data, and nine models: some cells are missing, failed,
    untuned or of one seed; some models are scored, published, or another laboratory's."""
    entries = [Entry(name, kind, origin) for name, kind, origin, *_ in MODELS]
    columns = []
    for title, name, protocol, scale, slow, synthetic in (
        ("MovieLens-1M", "ml-1m", PROTOCOL, 0.17, 1.0, False),
        ("Amazon Beauty", "amazon-beauty", PROTOCOL, 0.045, 0.6, False),
        ("The Complete Journey", "complete-journey", SPLIT_BY_TIME, 0.14, 2.1, False),
        ("Demo", "demo", PROTOCOL, 0.7, 0.02, True),
    ):
        cells = {}
        for at, (entry, (_, _, _, quality, seconds, parameters)) in enumerate(
            zip(entries, MODELS, strict=True)
        ):
            mean = scale * (quality - 0.012 * ((at * 7 + len(name)) % 5))
            time = None if seconds is None else seconds * slow
            options = {"settings": "lr=0.002, + SLIM"} if entry.model == "BERT4Rec" else {}
            if entry.model == "SASRec" and name == "amazon-beauty":
                options |= {"seeds": 1, "points": 1}
            cells[entry] = cell(entry, mean, time, parameters, **options)
        if name == "amazon-beauty":
            cells[entries[2]] = Cell(failure="out of memory: 16.2 GB of 16 GB")
            del cells[entries[8]]
        if name == "complete-journey":
            del cells[entries[6]], cells[entries[8]]
        own = [entry for entry in cells if entry.kind != "published"]
        best = max(own, key=lambda entry: cells[entry].mean("ndcg@10") or 0)
        cells[best] = replace(cells[best], level=True)
        columns.append(
            Column(
                name,
                title,
                protocol,
                f"digest of {name}",
                synthetic,
                {"users": 6033, "items": 3123, "interactions": 834449},
                cells,
                report="" if synthetic else f"{name}.html",
            )
        )
    columns.append(
        Column("yelp", "Yelp", PROTOCOL, "", unavailable="the data are not at data/yelp.json")
    )
    return Board("ndcg@10", tuple(columns), "Leaderboard", "0.9.0", "2026-11-27T02:10:00+00:00")


def large(datasets: int = 100, models: int = 50) -> Board:
    rng = random.Random(0)
    entries = [Entry(f"Model {i}", "learned" if i % 5 else "counted") for i in range(models)]
    columns = []
    for i in range(datasets):
        cells = {
            entry: cell(entry, rng.uniform(0.05, 0.4), rng.uniform(1, 5000), 10_000 * (at + 1))
            for at, entry in enumerate(entries)
            if rng.random() < 0.999
        }
        columns.append(Column(f"set-{i}", f"Data set {i}", PROTOCOL, f"d{i}", cells=cells))
    return Board("ndcg@10", tuple(columns))
