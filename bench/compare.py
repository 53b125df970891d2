"""Compare BERT4Rec of seqrec, RecTools, RecBole and WarpRec: training time, memory, metrics.

    bench/peers.sh
    python -m bench.peer_data ml-1m ml-1m.npz --data-dir ../shared/data
    python -m bench.compare ml-1m.npz --minutes 10 --json ml-1m.json
    python -m bench.compare ml-1m.npz --minutes 30 --reach .0381 .155 .165 --json ml-1m.json

All libraries train on the same data and on this machine, each in its own process. The processes
take turns: one of them trains for some seconds while the others wait. Other load on the machine
therefore slows all of them alike. The evaluations that this program requests do not count as
training time. The size of the model is the same for all; batch size and other settings are the
defaults of each library, or for WarpRec those of its documented example.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tabulate import tabulate

HERE = Path(__file__).parent
ROOT = HERE.parent
COMMANDS = {
    "seqrec": [sys.executable, "-m", "bench.seqrec_runner"],
    "RecTools": [ROOT / ".peers/rectools/bin/python", "-W", "ignore", HERE / "rectools_runner.py"],
    "RecBole": [ROOT / ".peers/recbole/bin/python", "-W", "ignore", HERE / "recbole_runner.py"],
    "WarpRec": [ROOT / ".peers/warprec/bin/python", "-W", "ignore", HERE / "warprec_runner.py"],
}


@dataclass
class Runner:
    """The process of one library, and its answers so far. peer_gate.py describes the answers."""

    name: str
    process: subprocess.Popen[str]
    ready: dict = field(default_factory=dict)
    """The first answer: the size of an epoch and of the model."""
    seconds: float = 0.0
    """Training time so far."""
    per_step: list[float] = field(default_factory=list)
    """Mean seconds per step of each turn."""
    quality: list[dict] = field(default_factory=list)
    """Answers to "evaluate"; ``after`` is the training time before the evaluation, in seconds."""
    last: dict = field(default_factory=dict)
    """The last answer to "steps"."""

    def ask(self, line: str) -> dict:
        """Send one line to the process; its answer."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self) -> dict:
        """Wait for the next answer. Ends this program if the process has exited."""
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"Error: the process of {self.name} has exited; its messages are above")
        return json.loads(line)

    def train(self, slice_seconds: float) -> None:
        """Train for about ``slice_seconds``, for one step if the duration of a step is unknown."""
        steps = max(1, round(slice_seconds / self.per_step[-1])) if self.per_step else 1
        self.last = self.ask(f"steps {steps}")
        self.seconds += self.last["train_seconds"]
        self.per_step.append(self.last["train_seconds"] / self.last["steps"])

    def evaluate(self) -> None:
        """Evaluate on validation and test, and print the result."""
        result = self.ask("evaluate")
        self.quality.append(result | {"after": self.seconds})
        valid = result["valid"]["ndcg@10"]
        test = result["test"]["ndcg@10"]
        print(
            f"{self.name}: {self.seconds:.0f} s of training, {self.last['epochs']:.2f} epochs, "
            f"valid ndcg@10 {valid:.4f}, test ndcg@10 {test:.4f} "
            f"(evaluation: {result['seconds']:.1f} s)",
            flush=True,
        )

    def seconds_to(self, value: float) -> float | None:
        """Training time until validation ndcg@10 was first at least ``value``; None: never yet."""
        found = (q["after"] for q in self.quality if q["valid"]["ndcg@10"] >= value)
        return next(found, None)

    def goes_on(self, seconds: float, values: list[float]) -> bool:
        """Whether less than ``seconds`` of training were made, it has not ended by itself, and a
        value of validation ndcg@10 (if there are any) is not reached."""
        reached = bool(values) and None not in map(self.seconds_to, values)
        return self.seconds < seconds and not self.last.get("finished") and not reached

    @property
    def usual_step(self) -> float:
        """Median seconds per step, without the first turn (if there are more): it is slower."""
        return median(self.per_step[1:] or self.per_step)


def start(name: str, data: str, threads: int) -> Runner:
    """Start the process of a library and wait until it is ready to train.

    Processes start one after the other, so that preparing one does not slow another.
    """
    command = [*COMMANDS[name], data, "--threads", str(threads)]
    if not Path(command[0]).exists():
        sys.exit(f"Error: {command[0]} is not there: run bench/peers.sh")
    process = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    runner = Runner(name, process)
    runner.ready = runner.answer()
    return runner


def row(runner: Runner, first: Runner) -> dict[str, str]:
    """Row of the printed table. Ratios compare with ``first``, which is seqrec by default."""
    epoch = runner.usual_step * runner.ready["batches_per_epoch"]
    first_epoch = first.usual_step * first.ready["batches_per_epoch"]
    complete = runner.seconds >= epoch
    line = {
        "library": runner.name,
        "samples per epoch": f"{runner.ready['samples_per_epoch']:,}",
        "s per epoch": f"{epoch:,.1f}" + ("" if complete else " (extrapolated)"),
        "ratio": f"{epoch / first_epoch:,.1f}",
        "peak MB": f"{runner.last['peak_memory_mb']:,.0f}",
        "memory ratio": f"{runner.last['peak_memory_mb'] / first.last['peak_memory_mb']:.1f}",
        "trained s": f"{runner.seconds:,.0f}",
    }
    if runner.quality:
        final = runner.quality[-1]
        line |= {
            "valid ndcg@10": f"{final['valid']['ndcg@10']:.4f}",
            "test ndcg@10": f"{final['test']['ndcg@10']:.4f}",
            "evaluation s": f"{median(q['seconds'] for q in runner.quality):.1f}",
        }
        reached = first.seconds_to(final["valid"]["ndcg@10"])
        if reached and runner is not first:
            line["seqrec reached that after s"] = f"{reached:,.0f}"
            line["times as fast"] = f"{runner.seconds / reached:,.0f}"
    return line


def reach_row(runner: Runner, values: list[float], minutes: float) -> dict[str, str]:
    """Row of the table of --reach."""
    never = f"not within {minutes:g} min"
    if runner.last["finished"]:
        never = f"not in {runner.seconds:,.0f} s, when training ended"
    line = {"library": runner.name}
    for value in values:
        seconds = runner.seconds_to(value)
        line[f"s to {value:g}"] = never if seconds is None else f"{seconds:,.0f}"
    return line


def write_json(path: str, runners: list[Runner], values: list[float]) -> None:
    """All measurements, by library. "reached" has the seconds to each value, null for never."""
    record = {
        r.name: {k: v for k, v in vars(r).items() if k not in ("name", "process")}
        | ({"reached": {f"{value:g}": r.seconds_to(value) for value in values}} if values else {})
        for r in runners
    }
    Path(path).write_text(json.dumps(record, indent=1), encoding="utf-8")


def options() -> argparse.Namespace:
    """The parsed command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", help=".npz file written by bench/peer_data.py")
    parser.add_argument(
        "--libraries",
        default=",".join(COMMANDS),
        help="libraries, separated by commas; the first is the base of the ratios; "
        "default: %(default)s",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=5,
        help="training time of each library, in minutes; default: %(default)s",
    )
    parser.add_argument(
        "--slice",
        type=float,
        default=20,
        help="training time in one turn, in seconds; default: %(default)s",
    )
    parser.add_argument(
        "--evaluate-every",
        type=int,
        default=1,
        help="number of turns between evaluations; 0: no evaluation; default: %(default)s",
    )
    parser.add_argument(
        "--threads", type=int, default=2, help="threads of each process; default: %(default)s"
    )
    parser.add_argument(
        "--reach",
        type=float,
        nargs="+",
        default=[],
        metavar="NDCG",
        help="values of validation ndcg@10: a library that has reached all of them stops before "
        "--minutes, and a table shows after how many seconds of training each was reached",
    )
    parser.add_argument("--json", metavar="FILE", help="file for all measurements, as JSON")
    args = parser.parse_args()
    if args.reach and not args.evaluate_every:
        parser.error("--reach needs evaluations: leave out --evaluate-every 0")
    return args


def main() -> None:
    args = options()
    data = str(Path(args.data).resolve())
    runners = [start(name, data, args.threads) for name in args.libraries.split(",")]
    turn = 0
    while training := [r for r in runners if r.goes_on(60 * args.minutes, args.reach)]:
        turn += 1
        for runner in training:
            runner.train(args.slice)
            if args.evaluate_every and turn % args.evaluate_every == 0:
                runner.evaluate()
    rows = [row(runner, runners[0]) for runner in runners]
    print(tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True))
    if args.reach:
        print("\nSeconds of training until validation ndcg@10 first reached a value:\n")
        rows = [reach_row(runner, args.reach, args.minutes) for runner in runners]
        print(tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True))
    if args.json:
        write_json(args.json, runners, args.reach)
    for runner in runners:
        runner.process.stdin.close()
        runner.process.wait()


if __name__ == "__main__":
    main()
