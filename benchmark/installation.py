"""Where this code is: in a clone, or installed as the package ``seqrec``.

setup.py copies benchmark, datasets and models below ``seqrec``. The same files as in a clone are
beside them: spaces/, hyper.test and the requirements.
"""

import json
import shlex
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

PACKAGE = __name__.partition(".")[0]
"""The top-level package of this module."""
INSTALLED = PACKAGE != "benchmark"
ROOT = Path(__file__).parents[1]
"""The folder of benchmark, datasets and models."""


def folders() -> list[Path]:
    """The folders of the top-level packages: what another machine needs to run this code."""
    return [ROOT] if INSTALLED else [ROOT / name for name in ("benchmark", "datasets", "models")]


def training_command(options: Mapping[str, object], *, here: bool = False) -> str:
    """The command that trains with these options, by the names of settings; ``here``: in this
    environment, where `mlflow run` would build one of its own."""
    if INSTALLED or here:
        command = [PACKAGE, "train"] if INSTALLED else ["python", "-m", "benchmark.train"]
        words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        return shlex.join([*command, *words])
    words = [word for name, value in options.items() for word in ("-P", f"{name}={value}")]
    return shlex.join(["mlflow", "run", ".", *words])


def settings_in(command: str) -> dict[str, str]:
    """The settings that a command of ``training_command`` gives, by name; none in text that is not
    the shell's."""
    try:
        words = shlex.split(command)
    except ValueError:  # a tag that somebody else wrote
        return {}
    given = (word.removeprefix("--").partition("=") for word in words if "=" in word)
    return {name.replace("-", "_"): value for name, _, value in given}


def commit() -> str:
    """The commit of the code, with + if files have changed since; empty if it is not known.

    pip knows it after `pip install git+https://...`.
    """
    if INSTALLED:
        try:
            origin = metadata.distribution(PACKAGE).read_text("direct_url.json")
        except metadata.PackageNotFoundError:  # the folder was copied, without pip
            return ""
        return str(json.loads(origin or "{}").get("vcs_info", {}).get("commit_id", ""))
    try:
        found = _git("rev-parse", "HEAD")
        return found + ("+" if found and _git("status", "--porcelain", "-uno") else "")
    except OSError:  # no git on this machine
        return ""


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""
