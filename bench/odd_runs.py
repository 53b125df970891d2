"""Fuzzing of what the report and promote read from anybody's runs, in a real SQLite store.

    python -m bench.odd_runs --seconds 600

Each round logs two good trials and some odd ones: copies in which any tag, parameter, metric,
profile, artifact or sweep is replaced by something else. The report must rank in every format, with
nothing but text in it; promote may refuse in one line. The first round that fails is printed with
its number, and repeated by --first NUMBER.
"""

import argparse
import contextlib
import io
import json
import os
import random
import re
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from benchmark.errors import UserError
from benchmark.measures.metrics import NAMES, means
from benchmark.report import report
from benchmark.reporting.formats import FORMATS
from benchmark.serving import promotion
from benchmark.tracking import schema
from benchmark.tracking.reading.record import STATISTICS
from datasets import DataError

SCRIPT = "javascript:alert(1)"
TEXTS = (
    *("", " ", "x", "nan", "-inf", "1e999", "9" * 400, "-1", "0", "1_0", "true", "None", "null"),
    *("[]", "{}", "{", "[" * 3000, '{"a": 1}', '{"seed": []}', '{"users_not_evaluated": 1}'),
    *(
        "\x1b[2J",
        "a\nb",
        "\u202eabc",
        "\x9b31m",
        "a\tb",
        "\r=1",
        "=1+1",
        "@x",
        "+1",
        "|",
        "`",
        "```",
    ),
    *(
        f"a\\]({SCRIPT})",
        SCRIPT,
        f"[a]({SCRIPT})",
        f"<{SCRIPT}>",
        "java&#115;cript:x",
        "# a",
        "*a*",
    ),
    *(
        "../../etc/passwd",
        "/dev/zero",
        "${HOME}",
        "{{7*7}}",
        "$x^2$",
        "%s",
        "é\u0301",
        "\U0001f600",
    ),
)
NUMBERS = (float("nan"), float("inf"), -float("inf"), -1.0, 0.0, 1.0, 1.5, 1e-320, 1e15, 1e300, 0.5)
BYTES = (b"", b"\x00", b"PAR1", b"\xff\xfe", b"a: &a [*a]", b"space: 7", b"space: []", b"- a\n- b")
YAML = (
    b"space: [1, 2]\nbest: 3", b"space: ['']", b'space: ["```", "[a](javascript:x)", "\\e[2J"]',
    b"space: {a: b}\nbest: {1: 2}", b"\xff",
)  # fmt: skip
TAGS = sorted(
    {value for name, value in vars(schema).items() if name.isupper() and isinstance(value, str)}
    | {"report", "heartbeat", "published", "mlflow.parentRunId", "mlflow.runName"}
)
PARAMS = ("model", "dataset", "learning_rate", "learning-rate", "seed", "max_length", "data_dir")
METRICS = (
    *(f"{part}/{name.replace('@', '_at_')}" for part in ("best_valid", "test") for name in NAMES),
    *("best_epoch", "last_epoch", "trial_seconds", "parameters", "peak_memory_mb"),
    *("sequences_per_second", "valid/ndcg_at_10", "sweep_seconds"),
)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")
LIVE_LINK = re.compile(r"(?<!\\)(?:\\\\)*\]\(\s*(?!https?:|#)[A-Za-z][\w+.-]*:", re.IGNORECASE)


def ranks(rng: random.Random, odd: bool) -> bytes:
    """A table of ranks in Parquet; an odd one has another type, other values or fewer columns."""
    n = rng.choice((0, 1, 39, 40)) if odd else 40
    table = {
        "user": [str(i // 2) for i in range(n)],
        "item": [str(i % 7) for i in range(n)],
        "rank": np.array([rng.randint(1, 30) for _ in range(n)], dtype=np.int64),
        "query": np.arange(n) // 2,
        "history": np.arange(n) % 9,
        "popularity": np.arange(n) % 5,
        "repeated": np.arange(n) % 4 == 0,
    }
    if odd:
        name = rng.choice(list(table))
        values = ([["a"]], ["x"], [-1], [0], [1.5], [None], [True], [float("nan")], [1 << 40])
        table[name] = rng.choice(values) * n
        if rng.random() < 0.3:
            del table[rng.choice(list(table))]
    file = io.BytesIO()
    pd.DataFrame(table).to_parquet(file)
    return file.getvalue()


def log(client: MlflowClient, rng: random.Random, where: str, oddities: int) -> None:
    """Log a trial in which so many contents are odd."""
    table = ranks(rng, odd=False)
    content = pd.read_parquet(io.BytesIO(table))
    result = means(content["rank"].to_numpy(), content["query"].to_numpy())
    metrics = dict.fromkeys(("best_epoch", "last_epoch", "trial_seconds", "parameters"), 3.0)
    metrics |= {
        f"{part}/{name.replace('@', '_at_')}": value
        for part in ("best_valid", "test")
        for name, value in result.items()
    }
    params = {"model": rng.choice("ABC"), "learning_rate": rng.choice(("0.1", "1e-2")), "seed": "1"}
    tags = {schema.DATA_DIGEST: "d", schema.PROTOCOL: "leave-one-out; x", schema.COMMAND: "run"}
    profile = json.dumps(dict.fromkeys(STATISTICS, 3))
    files = {"ranks/test.parquet": table, "ranks/valid.parquet": table, "dataset.md": b"# card"}
    parent: bytes | None = None
    status = "FINISHED"
    for _ in range(oddities):
        what = rng.choice(
            ("tag", "param", "metric", "metric", "profile", "file", "sweep", "status")
        )
        if what == "tag":
            tags[rng.choice(TAGS)] = rng.choice(TEXTS)
        elif what == "param":
            params[rng.choice(PARAMS)] = rng.choice(TEXTS)
        elif what == "metric":
            metrics[rng.choice(METRICS)] = rng.choice(NUMBERS)
        elif what == "profile":
            profile = rng.choice(TEXTS)
        elif what == "file":
            odd = rng.choice((*BYTES, ranks(rng, odd=True), ranks(rng, odd=True)))
            files[rng.choice(list(files))] = odd
        elif what == "sweep":
            parent = rng.choice((*BYTES, *YAML))
        else:
            status = rng.choice(("FAILED", "KILLED", "RUNNING", "SCHEDULED"))
    if parent is not None:
        run = client.create_run(where, tags={schema.SWEEP: rng.choice(TEXTS)})
        upload(client, run.info.run_id, {schema.SWEEP_FILE: parent})
        tags = {schema.NUMBER: "0", schema.POINT: rng.choice(TEXTS)} | tags
        tags["mlflow.parentRunId"] = run.info.run_id
    run_id = client.create_run(where, run_name=rng.choice(TEXTS) or "x").info.run_id
    client.log_batch(
        run_id,
        metrics=[Metric(key, value, 1, step) for key, value in metrics.items() for step in (1, 2)],
        params=[Param(key, value) for key, value in params.items()],
        tags=[RunTag(key, value) for key, value in tags.items()],
    )
    client.log_inputs(run_id, [DatasetInput(Dataset("d", "1", "code", "s", profile=profile))])
    upload(client, run_id, files)
    if status != "RUNNING":
        client.set_terminated(run_id, status)


def upload(client: MlflowClient, run_id: str, files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            path = Path(folder, name)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        client.log_artifacts(run_id, folder)


def check(client: MlflowClient, rng: random.Random, experiment: str) -> str:
    """Report and promote; what promote answered."""
    output = Path("reports")
    form = rng.choice(list(FORMATS))
    words = ["--experiment", experiment, "--format", form, "--test", rng.choice(("t", "t"))]
    words += rng.choice(([], ["--with-published"], ["--metric", "recall@10"]))
    if form == "markdown":
        words += rng.choice(([], ["--layout", "page"]))
    with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.redirect_stderr(said):
        report.main([*words, "--tracking-uri", client.tracking_uri], standalone_mode=False)
    texts = {"the terminal": said.getvalue()}
    for path in output.glob(f"{experiment}.*"):
        texts[path.name] = path.read_text("utf-8").partition("<script>")[0]
        path.unlink()
    for name, text in texts.items():
        for wrong in (CONTROL, LIVE_LINK):
            if (found := wrong.search(text)) and (wrong is CONTROL or name.endswith(".md")):
                raise AssertionError(
                    f"{name}: {text[max(0, found.start() - 80) : found.end() + 80]!r}"
                )
    try:
        promotion.promote_best(client, experiment, force=rng.random() < 0.5)
    except (UserError, DataError) as error:
        if not str(error).isprintable():
            raise AssertionError(f"not printable: {error!r}") from None
        return str(error)
    return "promoted"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60, help="default: %(default)s")
    parser.add_argument("--first", type=int, default=0, help="round to begin with")
    args = parser.parse_args()
    until = time.monotonic() + args.seconds
    number = args.first
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
        refused = 0
        while time.monotonic() < until:
            rng = random.Random(number)
            experiment = f"e{number}"
            where = client.create_experiment(experiment)
            for oddities in (0, 0, *(rng.randint(1, 6) for _ in range(4))):
                with contextlib.suppress(MlflowException):  # the store does not take it
                    log(client, rng, where, oddities)
            try:
                refused += check(client, rng, experiment) != "promoted"
            except (Exception, click.Abort):
                print(f"round {number} fails")
                raise
            number += 1
    print(f"{number - args.first} rounds without a fault; promote refused in {refused}")


if __name__ == "__main__":
    main()
