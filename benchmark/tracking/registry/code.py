"""The code in a registered model: a copy of ``models`` and of a model's own source, as one package.

The package has a name of its own, which ends in a digest of the code. So a process can load models
of several versions, whatever it has imported as ``models`` before.
"""

import hashlib
import io
import tokenize
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import models
from benchmark.installation import INSTALLED, PACKAGE
from benchmark.renaming import Names, renamed
from models import outside

OUTSIDE = "outside"
"""The part of the package that holds the source of a model outside this repository."""
FILE = "file"
"""The module in it, for a model that is one file."""


@dataclass(frozen=True)
class Code:
    """The Python files that run a model."""

    files: dict[str, bytes]
    """By path below the package, with the imports that they have here."""
    tops: frozenset[str]
    """Top-level modules that are in OUTSIDE."""
    where: str
    """The model's name in ``models``; for one outside, MODULE:CLASS below the package."""

    @cached_property
    def package(self) -> str:
        """The name of the package: equal for equal code alone."""
        sha = hashlib.sha256()
        for name in sorted(self.files):
            sha.update(f"{name} {len(self.files[name])}\n".encode() + self.files[name])
        return f"seqrec_{sha.hexdigest()[:12]}"

    @property
    def model(self) -> str:
        """The model's name for ``models.build`` of the package."""
        return f"{self.package}.{self.where}" if models.is_outside(self.where) else self.where

    @cached_property
    def names(self) -> Names:
        """What is imported from the package in place of what the files import here."""
        found = {top: f"{self.package}.{OUTSIDE}.{top}" for top in self.tops}
        if INSTALLED:
            return found | {PACKAGE: self.package}
        return found | {"models": f"{self.package}.models"}

    def write(self, folder: Path) -> Path:
        """Write the package to a folder; the package's own. Raises OSError."""
        package = folder / self.package
        for name, content in self.files.items():
            path = package / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_renamed(content, self.names))
        return package


def code_of(model: str) -> Code:
    """The code of the model of that name."""
    folder = Path(models.__file__).parent
    sources = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.py")}
    files = {f"models/{name}": path.read_bytes() for name, path in sources.items()}
    files["__init__.py"] = b""
    if not models.is_outside(model):
        return Code(files, frozenset(), model)
    module, _, class_name = model.rpartition(":")
    source = outside.load(model).source
    files[f"{OUTSIDE}/__init__.py"] = b""
    if module.endswith(".py"):
        (files[f"{OUTSIDE}/{FILE}.py"],) = source.files.values()
        return Code(files, frozenset(), f"{OUTSIDE}.{FILE}:{class_name}")
    files |= {f"{OUTSIDE}/{name}": content for name, content in source.files.items()}
    return Code(files, frozenset([module.partition(".")[0]]), f"{OUTSIDE}.{module}:{class_name}")


def _renamed(content: bytes, names: Names) -> bytes:
    """The source with new names, in its own encoding."""
    encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    return renamed(content.decode(encoding), names).encode(encoding)
