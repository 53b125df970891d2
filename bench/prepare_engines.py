"""What it takes to prepare a raw file of Amazon-Books' size, engine by engine.

    python -m bench.raw_ratings Books.csv
    python -m bench.prepare_engines Books.csv --engines pandas,suite --rounds 3

For recbole the file must be an atomic one (``python -m bench.raw_ratings Books.inter``), and
bench/peers.sh must have made its environment. Polars and DuckDB are no requirements of the suite:
install them where they should be measured. Each run is a fresh process; the engines take turns, and
every figure is a median over the rounds. A run that needs more than --gigabytes or --minutes is
stopped. Linux only.

This file imports nothing large: a process' peak includes that of the process that started it.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
OURS = ("suite", "pandas", "polars", "duckdb")
RECBOLE = [ROOT / ".peers/recbole/bin/python", "-W", "ignore", ROOT / "bench/recbole_loader.py"]
POLL = 0.2  # seconds
HEADER = ("engine", "runs", "wall s", "reading s", "CPU s", "CPU ratio", "peak MB", "digest")


@dataclass
class Run:
    """One process, from its start to its end."""

    wall: float  # seconds
    cpu: float  # seconds, user and system
    peak: float  # MB, resident
    answer: dict
    """What it printed; without a digest if it was stopped or failed."""


def command(engine: str, path: Path) -> list[str]:
    parts = [sys.executable, "-m", "bench.raw_engines", engine] if engine in OURS else RECBOLE
    return [str(part) for part in (*parts, path)]


def measure(engine: str, path: Path, gigabytes: float, minutes: float) -> Run:
    start = time.perf_counter()
    process = subprocess.Popen(command(engine, path), stdout=subprocess.PIPE, text=True, cwd=ROOT)
    stopped = None
    while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
        if _resident(process.pid) > gigabytes * 1e9:
            stopped = f"stopped at {gigabytes:g} GB"
        elif time.perf_counter() - start > 60 * minutes:
            stopped = f"stopped after {minutes:g} minutes"
        if stopped:
            process.kill()
        time.sleep(POLL)
    _, status, usage = ended
    process.returncode = os.waitstatus_to_exitcode(status)  # reaped here, not by subprocess
    output = process.stdout.read()
    answer = {"digest": stopped or "failed"} if process.returncode else json.loads(output)
    cpu = usage.ru_utime + usage.ru_stime
    return Run(time.perf_counter() - start, cpu, usage.ru_maxrss * 1024 / 1e6, answer)


def _resident(pid: int) -> int:
    """Bytes; 0 once the process has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def row(engine: str, runs: list[Run], first: list[Run]) -> tuple:
    """A line of the table; the ratio of CPU seconds is to ``first``."""
    wall, cpu, peak = (median(getattr(r, name) for r in runs) for name in ("wall", "cpu", "peak"))
    reading = [r.answer["read_seconds"] for r in runs if "read_seconds" in r.answer]
    return (
        engine,
        len(runs),
        f"{wall:.1f}",
        f"{median(reading):.1f}" if reading else "",
        f"{cpu:.1f}",
        f"{cpu / median(r.cpu for r in first):.2f}",
        f"{peak:,.0f}",
        " or ".join(sorted({r.answer["digest"] for r in runs})),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--engines", default=",".join(OURS), help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--gigabytes", type=float, default=20)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--json", metavar="FILE", help="keep every run there")
    args = parser.parse_args()
    engines = args.engines.split(",")
    if unknown := set(engines) - {*OURS, "recbole"}:
        parser.error(f"no engine is called {', '.join(unknown)}")
    runs: dict[str, list[Run]] = {engine: [] for engine in engines}
    for _ in range(args.rounds):
        for engine in engines:
            run = measure(engine, args.file.resolve(), args.gigabytes, args.minutes)
            runs[engine].append(run)
            print(f"{engine}: {run}", file=sys.stderr, flush=True)
    print(f"{args.file.name}: {args.file.stat().st_size / 1e9:.2f} GB, synthetic ratings")
    for line in (HEADER, *(row(e, r, runs[engines[0]]) for e, r in runs.items())):
        print("| " + " | ".join(map(str, line)) + " |")
    if args.json:
        record = {engine: [vars(r) for r in done] for engine, done in runs.items()}
        Path(args.json).write_text(json.dumps(record, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
