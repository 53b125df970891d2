"""Compare engines for preparing a raw file of ratings: time and memory. Linux only.

    python -m bench.raw_ratings Books.csv
    python -m bench.prepare_engines Books.csv --engines pandas,seqrec --rounds 3

Each run is a new process. The engines take turns, and every figure is a median over the rounds. A
run that exceeds --gigabytes or --minutes is stopped.

The engine recbole needs an atomic file (python -m bench.raw_ratings Books.inter) and the
environment that bench/peers.sh creates. Polars and DuckDB are not among the requirements of
seqrec: install them to measure them.
"""

# No large imports here: Linux reports a peak memory for a child process that is at least the memory
# of its parent when it started the child.
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
OURS = ("seqrec", "pandas", "polars", "duckdb")  # run by bench/raw_engines.py
ENGINES = (*OURS, "recbole")
RECBOLE = [ROOT / ".peers/recbole/bin/python", "-W", "ignore", ROOT / "bench/recbole_loader.py"]
POLL = 0.2  # seconds between two looks at the memory of a run
HEADER = ("engine", "runs", "wall s", "reading s", "CPU s", "CPU ratio", "peak MB", "digest")


@dataclass
class Run:
    """Measurements of one process."""

    wall: float  # seconds from start to end
    cpu: float  # seconds, user and system
    peak: float  # resident memory, MB
    answer: dict
    """The JSON object that the process printed. If it was stopped or failed, ``digest`` says so."""


def command(engine: str, path: Path) -> list[str]:
    """Command line that prepares the file with this engine and prints a JSON object."""
    parts = [sys.executable, "-m", "bench.raw_engines", engine] if engine in OURS else RECBOLE
    return [str(part) for part in (*parts, path)]


def measure(engine: str, path: Path, gigabytes: float, minutes: float) -> Run:
    """Prepare the file in a new process, within the limits of memory and time."""
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
    process.returncode = os.waitstatus_to_exitcode(status)  # wait4 took it from subprocess
    output = process.stdout.read()
    answer = {"digest": stopped or "failed"} if process.returncode else json.loads(output)
    cpu = usage.ru_utime + usage.ru_stime
    return Run(time.perf_counter() - start, cpu, usage.ru_maxrss * 1024 / 1e6, answer)


def _resident(pid: int) -> int:
    """Resident memory in bytes; 0 if the process has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def row(engine: str, runs: list[Run], first: list[Run]) -> tuple[object, ...]:
    """Row of the printed table, in the order of HEADER. The CPU ratio compares with ``first``."""
    wall = median(r.wall for r in runs)
    cpu = median(r.cpu for r in runs)
    peak = median(r.peak for r in runs)
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
    parser.add_argument("file", type=Path, help="raw file written by bench/raw_ratings.py")
    parser.add_argument(
        "--engines",
        default=",".join(OURS),
        help=f"engines among {', '.join(ENGINES)}, separated by commas; the first is the base of "
        "the CPU ratio; default: %(default)s",
    )
    parser.add_argument(
        "--rounds", type=int, default=3, help="runs of each engine; default: %(default)s"
    )
    parser.add_argument(
        "--gigabytes",
        type=float,
        default=20,
        help="resident memory at which a run is stopped, in GB; default: %(default)s",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=20,
        help="time after which a run is stopped, in minutes; default: %(default)s",
    )
    parser.add_argument("--json", metavar="FILE", help="file for the measurements of all runs")
    args = parser.parse_args()
    engines = args.engines.split(",")
    if unknown := set(engines) - set(ENGINES):
        parser.error(
            f"unknown engine {', '.join(sorted(unknown))}: choose from {', '.join(ENGINES)}"
        )
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
