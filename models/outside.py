"""Models outside this repository: MODULE:CLASS, or FILE.py:CLASS.

The source of such a model is read when its class is loaded, because runs keep it: a trial is
resumed, promoted and served with the code that it was started with.
"""

import hashlib
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from types import ModuleType

import models
from models.counted import Counted
from models.model import LearnedModel, Model

LARGEST_SOURCE = 5_000_000  # bytes: every run keeps the source


class OutsideError(ValueError):
    """A model cannot be loaded. The message is one line: which, why, and what to do."""


@dataclass(frozen=True)
class CodeSource:
    """The Python files that a model needs: one file, or those of a package."""

    files: Mapping[str, bytes]
    """By path: FILE.py, or PACKAGE/... with slashes."""

    @cached_property
    def digest(self) -> str:
        """The first 12 hexadecimal digits of the SHA-256 of all files."""
        sha = hashlib.sha256()
        for name in sorted(self.files):
            content = self.files[name]
            sha.update(f"{name} {len(content)}\n".encode() + content)
        return sha.hexdigest()[:12]

    def write(self, folder: Path) -> None:
        """Write the files to a folder. Raises OSError."""
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


@dataclass(frozen=True)
class Outside:
    """A model's class, and its source."""

    model: type[Model]
    source: CodeSource


_INSTALLED = [Path(importlib.__file__).parents[1], Path(sys.prefix)]
_loaded: dict[str, Outside] = {}
_stored: set[str] = set()
"""The names that are loaded from a stored source."""
_folders: list[TemporaryDirectory[str]] = []  # of stored sources, for as long as this process lives


def load(name: str) -> Outside:
    """The model of that name, as it is on this machine; it is read once.

    Raises OutsideError if there is none, or if its class cannot be a model.
    """
    if name not in _loaded:
        _loaded[name] = _load(name)
    return _loaded[name]


def forget_changed() -> None:
    """Forget the models whose source on this machine is another one than they were loaded from:
    ``load`` reads them again. In a notebook, a file is edited while the process goes on."""
    for name, loaded in list(_loaded.items()):
        where, _ = _parts(name)
        if name in _stored or _digest_now(where) != loaded.source.digest:
            del _loaded[name]
            if not where.endswith(".py"):
                _forget_package(where.partition(".")[0])
    _stored.clear()
    stored = {folder.name for folder in _folders}
    sys.path[:] = [folder for folder in sys.path if folder not in stored]


def _digest_now(where: str) -> str:
    """Of the source on this machine; empty if there is none any more."""
    try:
        if where.endswith(".py"):
            path = Path(where).expanduser()
            return CodeSource({path.name: path.read_bytes()}).digest
        return _source_of(sys.modules[where.partition(".")[0]]).digest
    except (OSError, KeyError, OutsideError):
        return ""


def _forget_package(package: str) -> None:
    """The next import reads it from its files."""
    for known in [n for n in sys.modules if n == package or n.startswith(f"{package}.")]:
        del sys.modules[known]
    importlib.invalidate_caches()


def load_stored(name: str, source: CodeSource) -> Outside:
    """The model of that name with this source, whatever the source on this machine is by now.

    Raises OutsideError as ``load`` does.
    """
    if name in _loaded and _loaded[name].source.digest == source.digest:
        return _loaded[name]
    folder = TemporaryDirectory(prefix="model-")
    _folders.append(folder)
    source.write(Path(folder.name))
    where, class_name = _parts(name)
    if where.endswith(".py"):
        name_there = f"{Path(folder.name, Path(where).name)}:{class_name}"
    else:
        sys.path.insert(0, folder.name)
        _forget_package(where.partition(".")[0])  # of another version
        name_there = name
    _loaded[name] = _load(name_there)
    _stored.add(name)
    return _loaded[name]


def _parts(name: str) -> tuple[str, str]:
    """The module or file, and the class."""
    where, _, class_name = name.rpartition(":")
    if not where or not class_name.isidentifier():
        raise OutsideError(f"{name!r} names no model: it should be MODULE:CLASS or FILE.py:CLASS")
    return where, class_name


def _load(name: str) -> Outside:
    where, class_name = _parts(name)
    if class_name in models.FILES:
        raise OutsideError(
            f"{name}: a model of seqrec is called {class_name}, too: give the class another "
            "name, so that reports can tell them apart"
        )
    module, source = _from_file(where) if where.endswith(".py") else _from_module(where)
    found = vars(module).get(class_name)
    if found is None:
        known = [n for n, value in vars(module).items() if _is_model(value, module)]
        raise OutsideError(
            f"{where} has no class {class_name}; its models are: {', '.join(known) or 'none'}"
        )
    return Outside(_checked(name, found), source)


def _is_model(value: object, module: ModuleType) -> bool:
    return (
        isinstance(value, type) and issubclass(value, Model) and value.__module__ == module.__name__
    )


def _from_file(where: str) -> tuple[ModuleType, CodeSource]:
    path = Path(where).expanduser()
    try:
        content = path.read_bytes()
    except OSError as error:
        at = "" if path.is_absolute() else f" (relative paths begin at {Path.cwd()})"
        raise OutsideError(f"{where}{at}: {error.strerror}") from None
    source = CodeSource({path.name: content})
    found = importlib.util.spec_from_file_location(f"outside_{source.digest}", path)
    assert found, "a name that ends in .py"
    assert found.loader
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module  # dataclasses look their module up
    try:
        found.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise _not_imported(where, error) from error
    return module, source


def _not_imported(where: str, error: BaseException) -> OutsideError:
    """What was raised when the module or file was imported. A script may have called sys.exit()."""
    hint = ""
    if where.endswith(".py") and "relative import" in str(error):
        hint = "; a model of several files is given as PACKAGE.MODULE:CLASS"
    return OutsideError(f"{where} cannot be imported: {why(error)}{hint}")


def _from_module(where: str) -> tuple[ModuleType, CodeSource]:
    try:
        module = importlib.import_module(where)
    except ModuleNotFoundError as error:
        if error.name and f"{where}.".startswith(f"{error.name}."):
            raise OutsideError(
                f"there is no module {error.name}: it is looked for in {Path.cwd()}, in "
                "$PYTHONPATH and among the installed packages; a file is given as FILE.py:CLASS"
            ) from None
        raise _not_imported(where, error) from error
    except (Exception, SystemExit) as error:
        raise _not_imported(where, error) from error
    return module, _source_of(sys.modules[where.partition(".")[0]])


def _source_of(top: ModuleType) -> CodeSource:
    """The source of a whole package, or of a module that belongs to none."""
    folders = [Path(folder) for folder in getattr(top, "__path__", [])]
    paths: Iterable[tuple[str, Path]] = (
        (f"{top.__name__}/{PurePosixPath(path.relative_to(folder))}", path)
        for folder in folders
        for path in folder.rglob("*.py")
        if path.is_file()  # an editor's lock is a link to nothing
    )
    if not folders:
        if not (top.__file__ or "").endswith(".py"):
            raise OutsideError(f"{top.__name__} is no Python file, so that runs cannot keep it")
        paths = [(f"{top.__name__}.py", Path(str(top.__file__)))]
    files: dict[str, bytes] = {}
    size = 0
    for name, path in paths:
        try:
            files[name] = path.read_bytes()
        except OSError as error:
            raise OutsideError(f"{path}: cannot be read: {error.strerror}") from None
        size += len(files[name])
        if size > LARGEST_SOURCE:
            raise OutsideError(
                f"package {top.__name__} has over {LARGEST_SOURCE / 1e6:g} MB of Python files, "
                "which every run would keep: move the model to a package of its own"
            )
    return CodeSource(files)


def _checked(name: str, found: object) -> type[Model]:
    """The class, if it can be a model."""
    if not isinstance(found, type) or not issubclass(found, LearnedModel | Counted):
        raise OutsideError(
            f"{name} is no model: it should be a class that derives from "
            f"{LearnedModel.__module__}.LearnedModel or {Counted.__module__}.Counted "
            "(docs/models.md)"
        )
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        raise OutsideError(f"{name} lacks methods: {missing} (docs/models.md)")
    arguments = list(inspect.signature(found).parameters.values())
    if not arguments or arguments[0].name != "n_items":
        raise OutsideError(f"{name}: the first argument of its constructor should be n_items")
    for argument in arguments:
        if argument.kind in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD):
            raise OutsideError(
                f"{name}: its constructor should name its settings, in place of {argument}"
            )
    return found


def why(error: BaseException) -> str:
    """What was raised in a model's code, and where: FILE:LINE: TypeError: ..."""
    where = ""
    if isinstance(error, SyntaxError):
        where = f"{error.filename}:{error.lineno}: "
    elif frames := _frames(error):
        where = f"{frames[-1].filename}:{frames[-1].lineno}: "
    message = error.msg if isinstance(error, SyntaxError) else " ".join(str(error).split())
    return f"{where}{type(error).__name__}: {message}"


def _frames(error: BaseException) -> list[traceback.FrameSummary]:
    """The frames of the traceback in the user's files; all of Python's if there is none."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<") and frame.filename != __file__
    ]
    suite = Path(__file__).parents[1]
    others = tuple(f"{folder}/" for folder in (suite / "models", suite / "benchmark", *_INSTALLED))
    own = [frame for frame in frames if not frame.filename.startswith(others)]
    return own or frames
