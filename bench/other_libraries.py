"""Train a model of RecTools or RecBole on the split of a data set, and score it as a tracked run.

    bench/peers.sh recbole rectools                      # their environments, once
    python -m bench.other_libraries RecTools ml-100k --epochs 20
    python -m bench.other_libraries RecBole ml-100k --epochs 20
    python -m benchmark.report --experiment ml-100k

Three commands are run, and printed: datasets.export, the library's script, benchmark.score.
"""

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

from datasets.specs import spec

HERE = Path(__file__).parent
PEERS = HERE.parent / ".peers"
LIBRARIES = {
    "RecTools": ("rectools", "rectools_lists.py", "parquet"),
    "RecBole": ("recbole", "recbole_scores.py", "npz"),
}
"""Format of datasets.export and name of the environment, script, suffix of the script's files."""


def run(*words: str | Path) -> None:
    """Print a command and run it. Ends this program if it fails."""
    command = [str(word) for word in words]
    print("+", shlex.join(command), flush=True)
    if code := subprocess.run(command).returncode:
        sys.exit(code)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("library", choices=LIBRARIES)
    parser.add_argument("dataset", help="a name in datasets/, or a YAML file")
    parser.add_argument("--model", default="SASRec", help="name of the model in the library")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--history", default="ranked", help="as of benchmark.train")
    args = parser.parse_args()
    to, script, suffix = LIBRARIES[args.library]
    python = PEERS / to / "bin/python"
    if not python.exists():
        sys.exit(f"Error: {python} is not there: run bench/peers.sh")
    name = f"{args.library}-{args.model}"
    given = {"model": args.model, "epochs": args.epochs, "seed": args.seed}
    options = [word for key, value in given.items() for word in (f"--{key}", str(value))]
    if args.library == "RecTools" and args.history != "ranked":
        options.append("--masked")
    run(sys.executable, "-m", "datasets.export", args.dataset, "--to", to)
    folder = Path("exported", spec.read(args.dataset).name)
    output = folder / name
    run(python, "-W", "ignore", HERE / script, folder / to, output, *options)
    params = [word for key in ("epochs", "seed") for word in ("--param", f"{key}={given[key]}")]
    files = [output / f"test.{suffix}", "--valid", output / f"valid.{suffix}"]
    run(
        *(sys.executable, "-m", "benchmark.score", *files, "--dataset", args.dataset),
        *("--name", name, "--history", args.history, *params),
    )


if __name__ == "__main__":
    main()
