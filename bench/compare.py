"""This suite beside RecBole and RecTools: the same data, one machine, turn by turn.

    bench/peers.sh
    python -m bench.peer_data ml-1m ml-1m.npz --data-dir ../shared/data
    python -m bench.compare ml-1m.npz --minutes 10 --json ml-1m.json

All processes live at once, and one of them trains at a time, for a slice of some seconds: whatever
else happens on the machine happens to all. Evaluations are not counted as training. Every library
runs with its own batch size and what belongs to it; the model's size is the same.
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
    "suite": [sys.executable, "-m", "bench.suite_runner"],
    "RecTools": [ROOT / ".peers/rectools/bin/python", "-W", "ignore", HERE / "rectools_runner.py"],
    "RecBole": [ROOT / ".peers/recbole/bin/python", "-W", "ignore", HERE / "recbole_runner.py"],
}


@dataclass
class Runner:
    """One library's process, and what it has answered so far."""

    name: str
    process: subprocess.Popen
    ready: dict = field(default_factory=dict)
    seconds: float = 0.0
    """Of training."""
    per_step: list[float] = field(default_factory=list)
    """Seconds, one for each slice."""
    quality: list[dict] = field(default_factory=list)
    """Evaluations, each with the seconds of training before it."""
    last: dict = field(default_factory=dict)

    def ask(self, line: str) -> dict:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"Error: {self.name}'s process has ended; its messages are above")
        return json.loads(line)

    def train(self, slice_seconds: float) -> None:
        steps = max(1, round(slice_seconds / self.per_step[-1])) if self.per_step else 1
        self.last = self.ask(f"steps {steps}")
        self.seconds += self.last["train_seconds"]
        self.per_step.append(self.last["train_seconds"] / steps)

    def evaluate(self) -> None:
        result = self.ask("evaluate")
        self.quality.append(result | {"after": self.seconds})
        test, valid = result["test"]["ndcg@10"], result["valid"]["ndcg@10"]
        print(
            f"{self.name}: {self.seconds:.0f} s, {self.last['epochs']:.2f} epochs, "
            f"valid ndcg@10 {valid:.4f}, test {test:.4f} ({result['seconds']:.1f} s)",
            flush=True,
        )

    @property
    def usual_step(self) -> float:
        """Seconds; the first slice, which warms up, is left out where there are others."""
        return median(self.per_step[1:] or self.per_step)


def start(name: str, data: str, threads: int) -> Runner:
    command = [*COMMANDS[name], data, "--threads", str(threads)]
    process = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    runner = Runner(name, process)
    runner.ready = runner.answer()  # one after the other, so that preparing is not disturbed
    return runner


def row(runner: Runner, first: Runner) -> dict:
    """A line of the table; ratios are to ``first``, this suite."""
    epoch = runner.usual_step * runner.ready["batches_per_epoch"]
    whole = runner.seconds >= epoch
    line = {
        "library": runner.name,
        "samples per epoch": f"{runner.ready['samples_per_epoch']:,}",
        "s per epoch": f"{epoch:,.1f}" + ("" if whole else " (extrapolated)"),
        "ratio": f"{epoch / (first.usual_step * first.ready['batches_per_epoch']):,.1f}",
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
        reached = [
            q["after"]
            for q in first.quality
            if q["valid"]["ndcg@10"] >= final["valid"]["ndcg@10"] and runner is not first
        ]
        if reached:
            line["suite reached that after s"] = f"{reached[0]:,.0f}"
            line["times as fast"] = f"{runner.seconds / reached[0]:,.0f}"
    return line


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", help="an .npz of bench/peer_data.py")
    parser.add_argument("--libraries", default=",".join(COMMANDS), help="default: %(default)s")
    parser.add_argument("--minutes", type=float, default=5, help="of training for each")
    parser.add_argument("--slice", type=float, default=20, help="seconds of training in one turn")
    parser.add_argument("--evaluate-every", type=int, default=1, help="turns; 0: never")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    data = str(Path(args.data).resolve())
    runners = [start(name, data, args.threads) for name in args.libraries.split(",")]
    turn = 0
    while training := [r for r in runners if r.seconds < 60 * args.minutes]:
        turn += 1
        for runner in training:
            runner.train(args.slice)
            if args.evaluate_every and turn % args.evaluate_every == 0:
                runner.evaluate()
    rows = [row(runner, runners[0]) for runner in runners]
    print(tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True))
    if args.json:
        record = {
            r.name: {k: v for k, v in vars(r).items() if k not in ("name", "process")}
            for r in runners
        }
        Path(args.json).write_text(json.dumps(record, indent=1), encoding="utf-8")
    for runner in runners:
        runner.process.stdin.close()
        runner.process.wait()


if __name__ == "__main__":
    main()
