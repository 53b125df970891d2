"""Data files inside installed Python packages. The code of these packages is never imported."""

import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

NAME = re.compile(r"[A-Za-z0-9](?:[\w.-]{0,98}[A-Za-z0-9])?", re.ASCII)
"""Names that pip accepts."""
PINNED = Path(__file__).parents[1] / "requirements-data.txt"
"""The versions of the packages that hold data sets of this folder."""


@dataclass(frozen=True)
class Package:
    """An installed package."""

    folder: Path
    """Paths of its files begin here: site-packages, as a rule."""
    version: str


def find(name: str) -> Package | None:
    """The package that pip knows under that name; None if it is not installed."""
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
    return Package(Path(str(found.locate_file(""))), found.version)


def missing(name: str, file: str) -> str:
    """Says that a file is in no installed package of that name, and what to do."""
    package = find(name)
    found = f"{package.version} has no file {file}" if package else "is not installed"
    return f"the Python package {name} {found}: {pip_command(name)}"


def pip_command(name: str) -> str:
    """The command that installs the package, again if it is there, in the version that PINNED
    gives, if any."""
    lines = PINNED.read_text().splitlines() if PINNED.exists() else []
    pinned = (line for line in lines if _normal(line.partition("==")[0]) == _normal(name))
    again = "--force-reinstall --no-deps " if find(name) else ""
    return f"pip install {again}{next(pinned, name)}"


def _normal(name: str) -> str:
    """One spelling for names that are the same to pip."""
    return re.sub(r"[-_.]+", "-", name).lower()
