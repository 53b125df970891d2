"""Kill every command at random moments, run it again, and compare with an undisturbed command.

    python -m bench.killed --kills 100
    python -m bench.killed --kills 20 --only promote --seed 7

The data are SYNTHETIC and tiny, the store is a real SQLite database in a temporary folder. Each
kill is a SIGKILL at a moment drawn from the time that the command takes undisturbed. Then the
command runs again, or resumes. Afterwards files, runs, metrics, registered models and
recommendations have to be those of an undisturbed command: nothing is left over, missing or twice.
The exit code is 1 if anything differs. The same --seed draws the same moments.

Commands are forked from this process, which has loaded their modules: kills fall on the work and
not on the imports.
"""

import argparse
import hashlib
import json
import os
import random
import re
import runpy
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open

ROOT = Path(__file__).parents[1]
TINY = "--hidden-size 8 --inner-size 8 --heads 1 --layers 1 --batch-size 64 --learning-rate 0.01"
TRAIN = f"benchmark.train --dataset tiny.yaml {TINY} --epochs 3"
MODULES = "train sweep report promote published recommend sync"
LIMIT = 300  # seconds that a command may take
CONTENT = (".npz", ".parquet", "best/model.safetensors")  # files whose bytes are compared
OF_ONE_MOMENT = re.compile(  # parameters, tags and metrics that are not compared
    r"seconds|memory|sequences_per|^mlflow\.|heartbeat|command|source|seqrec\.(turn|owner|note)"
)


@dataclass(frozen=True)
class Scene:
    """A command in a folder in which other commands have run before."""

    words: str
    before: tuple[str, ...] = ()
    """Commands, each a line of words, that make the folder."""
    prepare: Callable[[Path], None] | None = None
    """Makes the rest of the folder."""
    again: Callable[[Path, str], str | None] = lambda folder, words: words
    """The command that a user runs after the kill; None if everything is done."""
    done: str = "there is no such text"
    """What the command says when there is nothing left to do, with exit code 1."""


def resumed(folder: Path, words: str) -> str | None:
    """The trial's run is resumed, if there is one."""
    query = "SELECT run_uuid, status FROM runs JOIN experiments USING (experiment_id)"
    runs = rows(folder, f"{query} WHERE experiments.name = 'tiny'")
    if not runs:
        return words
    ((run_id, status),) = runs
    return None if status == "FINISHED" else f"benchmark.train --resume {run_id}"


def undelivered(folder: Path) -> None:
    """A trial that ended while its database was locked: its messages are on disk."""
    process = start(TRAIN, folder, {"MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool"})
    until(folder, "epoch 1")
    with closing(sqlite3.connect(folder / "mlflow.db", timeout=60)) as database:
        database.execute("BEGIN EXCLUSIVE")
        until(folder, "epoch 3")
        time.sleep(1)
        for _ in range(2):
            os.kill(process, signal.SIGINT)
            time.sleep(1)
        wait(process)
    if not list(folder.glob("undelivered/*/*.json")):
        sys.exit("Error: no message was left undelivered: sync has nothing to do")


PUBLISHED = f"benchmark.published {ROOT / 'tests/published_page.md'}"
SWEEP = f"benchmark.sweep tiny.space --dataset tiny.yaml {TINY.rpartition(' --')[0]} --epochs 2"
SCENES = {
    "prepare": Scene("datasets.prepare own.yaml"),
    "first train": Scene(TRAIN, again=resumed),
    "train": Scene(TRAIN, (PUBLISHED,), again=resumed),
    "sweep": Scene(SWEEP, (PUBLISHED,)),
    "report": Scene("benchmark.report --experiment tiny", (SWEEP,)),
    "promote": Scene("benchmark.promote --experiment tiny", (TRAIN,), done="already champion"),
    "published": Scene(PUBLISHED, (TRAIN,)),
    "recommend": Scene(
        "benchmark.recommend --model models:/tiny@champion --dataset tiny.yaml --output o.parquet",
        (TRAIN, "benchmark.promote --experiment tiny"),
    ),
    "sync": Scene("benchmark.sync", prepare=undelivered),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="of the moments; default: %(default)s")
    parser.add_argument("--only", choices=SCENES, help="one command; default: all in turn")
    args = parser.parse_args()
    os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "OMP_NUM_THREADS": "1"}
    for name in MODULES.split():
        __import__(f"benchmark.{name}")
    names = [args.only] if args.only else list(SCENES)
    problems = 0
    with tempfile.TemporaryDirectory() as temporary:
        for place, name in enumerate(names):
            draw = random.Random(f"{args.seed} {name}")
            play = Play(name, SCENES[name], Path(temporary))
            kills = (args.kills + place) // len(names)
            found = play.killed(kills, draw)
            print(f"{name}: {kills} kills, {len(found)} problems", *found, sep="\n  ", flush=True)
            problems += len(found)
    sys.exit(1 if problems else 0)


class Play:
    """A scene, its folder before the command, and its state after an undisturbed command."""

    def __init__(self, name: str, scene: Scene, temporary: Path):
        self.name = name
        self.scene = scene
        self.folder = temporary / "work"  # always the same: artifact locations are absolute
        self.start = temporary / f"{name} before"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        inputs(self.folder)
        for words in scene.before:
            self.ends_well(words)
        if scene.prepare:
            scene.prepare(self.folder)
        shutil.copytree(self.folder, self.start, symlinks=True)
        self.ends_well(scene.words)
        self.expected = snapshot(self.folder)
        self.restore()
        started = time.monotonic()
        self.ends_well(scene.words)
        self.seconds = time.monotonic() - started
        for line in differences(self.expected, snapshot(self.folder)):
            sys.exit(f"Error: {name}: two undisturbed commands differ: {line}")

    def restore(self) -> None:
        """The folder as it was before the command."""
        shutil.rmtree(self.folder)
        shutil.copytree(self.start, self.folder, symlinks=True)

    def ends_well(self, words: str) -> None:
        status = wait(start(words, self.folder))
        if status:
            sys.exit(f"Error: {words}: status {status}: {said(self.folder)}")

    def killed(self, times: int, draw: random.Random) -> list[str]:
        """Kill the command at that many moments; a command that has ended before does not count."""
        landed = 0
        problems = []
        while landed < times:
            was_killed, found = self.once(draw.random())
            landed += was_killed
            problems += found
        return problems

    def once(self, moment: float) -> tuple[bool, list[str]]:
        """Kill the command at a moment from 0 to 1, and run it again. Returns whether the
        kill came before its end, and the differences from an undisturbed command."""
        self.restore()
        process = start(self.scene.words, self.folder)
        time.sleep(moment * self.seconds)
        killed = kill(process)
        after = f"killed after {moment * self.seconds:.2f} s of {self.seconds:.2f} s"
        again = self.scene.again(self.folder, self.scene.words)
        if again is not None:
            status = wait(start(again, self.folder))
            if status and self.scene.done not in said(self.folder):
                return killed, [f"{after}: {again}: status {status}: {said(self.folder)}"]
        found = differences(self.expected, snapshot(self.folder))
        return killed, [f"{after}: {line}" for line in found]


def inputs(folder: Path) -> None:
    """The data sets and the search space that the commands name."""
    tiny = (ROOT / "datasets/demo.yaml").read_text(encoding="utf-8").replace("3000", "300")
    (folder / "tiny.yaml").write_text(tiny, encoding="utf-8")
    (folder / "tiny.space").write_text("learning_rate choice [0.003, 0.01]\n", encoding="utf-8")
    rng = random.Random(0)
    lines = [f"u{rng.randrange(500)},i{rng.randrange(90)},{n}" for n in range(20_000)]
    (folder / "data").mkdir()
    (folder / "data/own.csv").write_text("\n".join(["u,i,t", *lines]), encoding="utf-8")
    own = {
        "title": "Own",
        "sources": [
            {
                "file": "own.csv",
                "reader": "csv",
                "columns": {"user": "u", "item": "i", "timestamp": "t"},
            }
        ],
        "split": "leave-one-out",
    }
    (folder / "own.yaml").write_text(json.dumps(own), encoding="utf-8")


# --- processes


def start(words: str, folder: Path, environment: dict[str, str] | None = None) -> int:
    """The id of a new process that runs `python -m WORDS` in the folder, in a group of its own."""
    new = os.O_CREAT | os.O_TRUNC | os.O_WRONLY
    outputs = [os.open(folder.parent / name, new) for name in ("stdout", "stderr")]
    process = os.fork()
    if process:
        for output in outputs:
            os.close(output)
        return process
    os.setsid()
    os.chdir(folder)
    for number, output in enumerate(outputs, start=1):
        os.dup2(output, number)
    os.environ |= {"PYTHONPATH": str(ROOT)} | (environment or {})
    module, *options = words.split()
    sys.modules.pop(module, None)  # else runpy warns
    sys.argv = [module, *options]
    code: object = 1
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))


def wait(process: int) -> int:
    """The exit code of a process, or minus the signal that ended it."""
    ends = time.monotonic() + LIMIT
    while time.monotonic() < ends:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    kill(process)
    return -signal.SIGALRM


def kill(process: int) -> bool:
    """Kill a process and its children; whether it was still there."""
    os.killpg(process, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL


def said(folder: Path) -> str:
    """The last line on stderr of the last process."""
    lines = (folder.parent / "stderr").read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[-1] if lines else ""


def until(folder: Path, beginning: str) -> None:
    """Wait until the last process has printed a line that begins so."""
    ends = time.monotonic() + LIMIT
    while f"\n{beginning}" not in (folder.parent / "stdout").read_text(encoding="utf-8"):
        if time.monotonic() > ends:
            sys.exit(f"Error: no line {beginning!r}: {said(folder)}")
        time.sleep(0.02)


# --- the files, runs and models after a command


def snapshot(folder: Path) -> Counter[str]:
    """Everything that two equal results have in common, as lines of text."""
    found: Counter[str] = Counter()
    deleted = [  # MLflow keeps their files until `mlflow gc`
        *rows(folder, "SELECT model_id FROM logged_models WHERE lifecycle_stage = 'deleted'"),
        *rows(folder, "SELECT run_uuid FROM runs WHERE lifecycle_stage = 'deleted'"),
    ]
    for path in folder.rglob("*"):
        name = without_ids(str(path.relative_to(folder)))
        if path.is_dir() or name.endswith(".lock") or name.startswith("mlflow.db"):
            continue
        if any(gone in path.parts for (gone,) in deleted):
            continue
        found[f"file {name} {digest(path) if name.endswith(CONTENT) else ''}"] += 1
    if (folder / "mlflow.db").exists():
        found.update(stored(folder))
    return found


def digest(path: Path) -> str:
    """Of the content: the header of a checkpoint lists its entries in any order."""
    if path.suffix == ".safetensors":
        with safe_open(path, "pt") as checkpoint:
            return checkpoint.metadata()["digest"]
    return hashlib.sha256(path.read_bytes()).hexdigest()


def stored(folder: Path) -> list[str]:
    """The runs, models and experiments of the database."""
    lines = []
    active = "SELECT run_uuid, name, status FROM runs WHERE lifecycle_stage = 'active'"
    for run_id, name, status in rows(folder, active):
        facts = [f"run {name} {status}"]
        for kind, value in (("params", "value"), ("tags", "value"), ("metrics", "value, step")):
            query = f"SELECT key, {value} FROM {kind} WHERE run_uuid = '{run_id}'"
            facts += [f"{kind} {row}" for row in rows(folder, query) if is_lasting(row[0])]
        lines += [without_ids(f"{facts[0]}: {fact}") for fact in facts]
    for what, query in {
        "experiment": "SELECT name, lifecycle_stage FROM experiments",
        "model": "SELECT name, status FROM logged_models WHERE lifecycle_stage = 'active'",
        "version": "SELECT name, status FROM model_versions WHERE current_stage = 'None'",
        "alias": "SELECT name, alias FROM registered_model_aliases",
        "input or output": "SELECT source_type, destination_type FROM inputs",
        "data set": "SELECT name, digest FROM datasets",
    }.items():
        lines += [f"{what} {row}" for row in rows(folder, query)]
    return lines


def is_lasting(key: str) -> bool:
    return not OF_ONE_MOMENT.search(key)


def rows(folder: Path, query: str) -> list[tuple[str, ...]]:
    if not (folder / "mlflow.db").exists():
        return []
    with closing(sqlite3.connect(folder / "mlflow.db", timeout=60)) as database:
        try:
            return database.execute(query).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):  # the database was not made yet
                return []
            raise


def without_ids(text: str) -> str:
    return re.sub("[0-9a-f]{32}", "ID", text)


def differences(expected: Counter[str], found: Counter[str]) -> list[str]:
    return [f"missing: {line}" for line in (expected - found).elements()] + [
        f"left over: {line}" for line in (found - expected).elements()
    ]


if __name__ == "__main__":
    main()
