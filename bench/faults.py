"""Run every command against a server that fails after n requests, in each of several ways.

python -m bench.faults                     # every n: hours
python -m bench.faults --sample 4          # four n for each command and way
python -m bench.faults report --way html

A proxy (``tests.proxy``) in front of a real MLflow server forwards n requests and then fails for
good, as a proxy that loses its server does. The command has to end with its whole result, or with
one line of error and an exit code that is not 0; and a second start, without faults, has to bring
the whole result: nothing is lost, and nothing is there twice. A command that waits for its server
waits five seconds here instead of ten minutes.

Found: 42 starts, none wrong, on two busy cores. Of each command a sample of n: train, report,
promote, published, recommend and sync with 503 (two n each); sweep with 503, html, halve and close
(three n each); report and promote with html, halve and close (three n each). Not every n was tried.
"""

import json
import os
import shutil
import signal
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from mlflow import MlflowClient

from benchmark.tracking import schema
from tests.conftest import ROOT, serve
from tests.forked import load
from tests.proxy import Proxy, proxied

WAYS = ("503", "html", "halve", "close", "empty")
WAIT = 5.0  # seconds
LONGEST = 180  # seconds for one command
DATA = ("--dataset", "demo")
COUNTED = ("--model", "Popularity")  # a trial of a second


@dataclass(frozen=True)
class Ended:
    code: int
    """The exit code; -1 for a command that had to be killed."""
    out: str
    err: str

    @property
    def fault(self) -> str | None:
        """What no user should see; None for a result, or for one line of error."""
        if self.code == -1:
            return f"no end within {LONGEST} s"
        if "Traceback" in self.err:
            return f"a traceback: {self.err.splitlines()[-1]}"
        last = (self.err.splitlines() or [""])[-1]
        return None if self.code == 0 or last.startswith("Error: ") else f"exit {self.code}: {last}"


def run(uri: str, verb: str, *options: str, patient: bool = True) -> Ended:
    """Run a command of seqrec in a process that is forked: importing takes longer than most."""
    child = os.fork()
    if child == 0:
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        os.environ["MLFLOW_TRACKING_URI"] = uri
        sys.argv = [verb, *options]
        try:
            if not patient:
                _wait_shortly()
            import_module("benchmark.cli").run(_command(verb))
        except SystemExit as end:
            os._exit(int(end.code or 0))
        except BaseException as error:
            sys.excepthook(type(error), error, error.__traceback__)
            sys.stderr.flush()
        os._exit(1)
    started = time.monotonic()
    while time.monotonic() - started < LONGEST:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            code = os.waitstatus_to_exitcode(status)
            return Ended(code, Path("out").read_text(), Path("err").read_text())
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return Ended(-1, Path("out").read_text(), Path("err").read_text())


def _command(verb: str):
    return getattr(import_module(f"benchmark.{verb}"), verb)


def _wait_shortly() -> None:
    for name, module in list(sys.modules.items()):
        if name.startswith("benchmark."):
            for wait in {"LONG_WAIT", "SHORT_WAIT", "SHORTEST_WAIT"} & vars(module).keys():
                setattr(module, wait, WAIT if wait != "SHORTEST_WAIT" else 0.0)


@dataclass
class Scene:
    """A server with two trials, and a folder of its own for each case."""

    server: str
    proxy: Proxy
    case: int = 0

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.server)

    def experiment(self, name: str) -> str:
        return str(self.client.get_experiment_by_name(name).experiment_id)


Check = Callable[[Scene, Ended], str | None]
"""What is wrong with what a command left; None if all is well."""


@dataclass(frozen=True)
class Case:
    verb: str
    options: Callable[[Scene], list[str]]
    after: Check
    """Checks what the faulty start left, and what a second one brings."""
    before: Callable[[Scene], None] = lambda scene: None


def start_again(scene: Scene, ended: Ended, verb: str, *options: str) -> str | None:
    """What is wrong with a second start, without faults; None if the first one did not fail."""
    if not ended.code:
        return None
    done = run(scene.server, verb, *options)
    return f"second start: {done.err}" if done.code else None


def train_after(scene: Scene, ended: Ended) -> str | None:
    """A trial that had begun is whole after ``sync``."""
    began = [line.split()[1] for line in ended.out.splitlines() if line.startswith("trial ")]
    if not began:
        return None if ended.code else "exit 0 without a trial"
    return start_again(scene, ended, "sync") or whole_trial(scene, began[0])


def whole_trial(scene: Scene, run_id: str) -> str | None:
    found = scene.client.get_run(run_id)
    if found.info.status != "FINISHED" or "test/ndcg_at_10" not in found.data.metrics:
        return f"run {run_id} is {found.info.status} with {len(found.data.metrics)} metrics"
    for name in ("ranks/test.parquet", "ranks/valid.parquet", schema.CONFIG, schema.CARD):
        folder = str(Path(name).parent)
        files = scene.client.list_artifacts(run_id, None if folder == "." else folder)
        if name not in [file.path for file in files]:
            return f"run {run_id} has no {name}"
    return None


def sweep_after(scene: Scene, ended: Ended) -> str | None:
    """The same command finishes a sweep of two trials."""
    if problem := start_again(scene, ended, "sweep", *sweep_options(scene)):
        return problem
    name = f"s{scene.case}"
    runs = scene.client.search_runs([scene.experiment("demo")], f"tags.`{schema.SWEEP}` = '{name}'")
    trials = [found for found in runs if schema.NUMBER in found.data.tags]
    if len(runs) != 3 or len(trials) != 2:
        return f"sweep {name} has {len(runs)} runs, {len(trials)} of them trials"
    return next(filter(None, (whole_trial(scene, found.info.run_id) for found in trials)), None)


def sweep_options(scene: Scene) -> list[str]:
    Path("two.test").write_text("model choice ['Popularity', 'RepeatLast']\n")
    return ["two.test", *DATA, "--name", f"s{scene.case}"]


def report_after(scene: Scene, ended: Ended) -> str | None:
    page = Path("reports/demo.md").read_text()
    if "95% interval" not in page:
        return "the report has lost its intervals"
    written = "report written to" in ended.out  # whole, and only the server did not take it
    if ended.code == 0 or written or page == Path("before").read_text():
        return None
    return "a failed command replaced the report"


def report_before(scene: Scene) -> None:
    shutil.copytree("../reports", "reports")
    shutil.copy("reports/demo.md", "before")


def promote_after(scene: Scene, ended: Ended) -> str | None:
    if problem := start_again(scene, ended, "promote", *PROMOTE):
        return problem
    scene.client.get_model_version_by_alias("demo", "champion")
    return None


def published_after(scene: Scene, ended: Ended) -> str | None:
    if problem := start_again(scene, ended, "published", *published_options(scene)):
        return problem
    runs = scene.client.search_runs([scene.experiment(f"p{scene.case}")])
    statuses = [found.info.status for found in runs]
    return None if statuses == ["FINISHED"] * 6 else f"{len(runs)} runs: {statuses}"


def published_options(scene: Scene) -> list[str]:
    return [str(ROOT / "tests/published_page.md"), "--experiment", f"p{scene.case}"]


def recommend_after(scene: Scene, ended: Ended) -> str | None:
    there = Path("best.parquet").exists()
    return None if there == (ended.code == 0) else f"exit {ended.code}, a file: {there}"


def sync_before(scene: Scene) -> None:
    """A trial whose server goes away after its first requests."""
    scene.proxy.ways, scene.proxy.spared, scene.proxy.count = ["close"], 12, 0
    done = run(scene.proxy.uri, "train", *DATA, *COUNTED, patient=False)
    scene.proxy.ways, scene.proxy.count = [], 0
    assert done.code, done.out
    assert list(Path("undelivered").glob("*/*.json")), done.err


def sync_after(scene: Scene, ended: Ended) -> str | None:
    left = list(Path("undelivered").glob("*/*.json"))
    if bool(left) != bool(ended.code):
        return f"exit {ended.code} with {len(left)} messages left"
    run_id = json.loads(Path("kept").read_text())
    return start_again(scene, ended, "sync") or whole_trial(scene, run_id)


def sync_options(scene: Scene) -> list[str]:
    (folder,) = [path.parent for path in Path("undelivered").glob("*/tracking_uri")]
    Path("kept").write_text(json.dumps(folder.name))
    return []


PROMOTE = ("--experiment", "demo", "--force")
RECOMMEND = ("--model", "models:/demo@champion", *DATA, "--output", "best.parquet")
CASES = {
    "train": Case("train", lambda _: [*DATA, *COUNTED], train_after),
    "sweep": Case("sweep", sweep_options, sweep_after),
    "report": Case("report", lambda _: ["--experiment", "demo"], report_after, report_before),
    "promote": Case("promote", lambda _: [*PROMOTE], promote_after),
    "published": Case("published", published_options, published_after),
    "recommend": Case("recommend", lambda _: [*RECOMMEND], recommend_after),
    "sync": Case("sync", sync_options, sync_after, sync_before),
}


@contextmanager
def scene() -> Iterator[Scene]:
    folder = Path(tempfile.mkdtemp(prefix="faults"))
    os.chdir(folder)
    load()
    for verb in CASES:
        _command(verb)
    try:
        with serve(folder, f"sqlite:///{folder}/server.db") as server, proxied(server) as proxy:
            for model in ("Popularity", "RepeatLast"):
                _whole(run(server, "train", *DATA, "--model", model))
            _whole(run(server, "report", "--experiment", "demo"))
            _whole(run(server, "promote", *PROMOTE))
            yield Scene(server, proxy)
    finally:
        os.chdir("/")
        shutil.rmtree(folder)


def _whole(ended: Ended) -> None:
    if ended.code:
        sys.exit(f"without faults: {ended.out}{ended.err}")


def attempt(at: Scene, case: Case, way: str | None, spared: int) -> tuple[str | None, int]:
    """What is wrong after a start with the fault, and the number of requests that it made."""
    at.case += 1
    home = Path.cwd()
    folder = home / str(at.case)
    folder.mkdir()
    os.symlink(home / "data", folder / "data")
    os.chdir(folder)
    try:
        case.before(at)
        options = case.options(at)
        at.proxy.ways, at.proxy.spared, at.proxy.count = [way] if way else [], spared, 0
        ended = run(at.proxy.uri, case.verb, *options, patient=way is None)
        at.proxy.ways = []
        count = at.proxy.count
        return ended.fault or case.after(at, ended), count
    finally:
        os.chdir(home)
        shutil.rmtree(folder)


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commands", nargs="*", choices=[[], *CASES], default=[])
    parser.add_argument("--way", choices=WAYS, action="append")
    parser.add_argument("--sample", type=int, help="numbers of requests for each command and way")
    args = parser.parse_args()
    wrong = tried = 0
    with scene() as at:
        for name in args.commands or CASES:
            case = CASES[name]
            problem, needed = attempt(at, case, None, 0)
            print(f"{name}: {needed} requests without faults: {problem or 'whole'}", flush=True)
            steps = min(args.sample or needed, needed)
            numbers = sorted({round(i * (needed - 1) / max(1, steps - 1)) for i in range(steps)})
            for way in args.way or WAYS:
                for spared in numbers:
                    problem, _ = attempt(at, case, way, spared)
                    tried += 1
                    if problem:
                        wrong += 1
                        print(f"{name}, {way} after {spared} requests: {problem}", flush=True)
    print(f"{tried} starts with a fault, {wrong} of them wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
