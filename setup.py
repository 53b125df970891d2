"""Build the package `seqrec`: benchmark, datasets and models below one name, for `pip install .`

In a clone these are three top-level packages, and two of them have the names of well-known ones.
The build copies them below ``seqrec``. There, imports have the new names, and texts name the
command `seqrec` in place of `python -m benchmark`. pyproject.toml has the metadata.
"""

import re
import shutil
import sys
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.editable_wheel import editable_wheel
from setuptools.errors import SetupError

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT))  # a build frontend leaves the folder out

from benchmark.renaming import renamed  # noqa: E402

NAMES = {name: f"seqrec.{name}" for name in ("benchmark", "datasets", "models")}
FOLDERS = {**NAMES, "spaces": "seqrec.spaces", "suites": "seqrec.suites"}
BESIDE = ("hyper.test", "requirements*.txt")
"""Files that the code reads beside the packages."""


def pins(name: str) -> str:
    """The packages of a requirements file, separated by spaces."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return " ".join(line for line in lines if line and line[0] not in "#-")


TEXTS = [
    (r"python -m (?:benchmark|datasets)\.(\w+)", r"seqrec \1"),
    (r"python -m benchmark\b", "seqrec"),
    (r"-m benchmark\.", "-m seqrec.benchmark."),  # of torchrun
    (r"pip install -r (requirements[\w-]*\.txt)", lambda found: f"pip install {pins(found[1])}"),
]
"""What texts say in a clone, as regular expressions, and what they say after the installation."""

PACKAGE = '''"""Sequential recommendation: data sets, trials, sweeps, comparisons and served models.

`seqrec --help` lists the commands. docs/python.md has examples of the functions.
"""

from seqrec.benchmark.api import *
from seqrec.benchmark.api import __all__
'''

MAIN = '''"""`python -m seqrec` is the command `seqrec`."""

import sys

from seqrec.benchmark.__main__ import console

sys.exit(console())
'''


class Build(build_py):
    """Copies the packages, and gives them their new names."""

    def run(self) -> None:
        package = Path(self.build_lib, "seqrec")
        shutil.rmtree(package, ignore_errors=True)  # of an earlier build
        super().run()
        for path in package.rglob("*.py"):
            text = renamed(path.read_text(encoding="utf-8"), NAMES)
            for old, new in TEXTS:
                text = re.sub(old, new, text)
            path.write_text(text, encoding="utf-8")
        for path in (file for pattern in BESIDE for file in ROOT.glob(pattern)):
            shutil.copy(path, package)
        (package / "__init__.py").write_text(PACKAGE, encoding="utf-8")
        (package / "__main__.py").write_text(MAIN, encoding="utf-8")
        (package / "py.typed").touch()


class Editable(editable_wheel):
    """Refused: an editable package would be the source as it is, without the new names."""

    def run(self) -> None:
        raise SetupError(
            "no editable installation is possible, because the build renames the packages: in a "
            "clone, run `python -m benchmark` and import benchmark.api; elsewhere, `pip install .`"
        )


setup(
    cmdclass={"build_py": Build, "editable_wheel": Editable},
    packages=[
        *(f"seqrec.{name}" for name in find_packages(include=[f"{name}*" for name in NAMES])),
        "seqrec.spaces",
        "seqrec.suites",
    ],
    package_dir={new: old for old, new in FOLDERS.items()},
    package_data={"seqrec.benchmark.reporting.formats": ["*.j2"], "": ["*.yaml"]},
)
