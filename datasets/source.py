"""Find a data set's raw file on this machine, or download it."""

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import requests

from datasets import locks, packages
from datasets.download import download
from datasets.errors import DataError, DataMissing, in_project
from datasets.parts import TEST, TRAIN, VALID
from datasets.specs.spec import Source, Spec

DEFAULT_FOLDER = Path("data")
FOLDER_VARIABLE = "SEQREC_DATA_DIR"
MIRROR_VARIABLE = "SEQREC_MIRROR"
DIGITS = re.compile(r"(\d{1,100})")


@dataclass(frozen=True)
class RawFile:
    """A source whose file is on this machine."""

    source: Source
    path: Path
    """The file, or the folder of the parts."""
    parts: tuple[Path, ...] = ()
    """Files that are read as one, in this order; none: ``path`` is the file."""
    of_parts: tuple[int, ...] = ()
    """For a split that files give, of each file: whether it is for training, validation or test, a
    code of ``PARTS``."""
    others: tuple[Path, ...] = ()
    """Files of other sources, which are not read."""
    version: str = ""
    """Of the package that holds the file, if any."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files to read."""
        return self.parts or (self.path,)


def find(spec: Spec, data_dir: str | Path | None = None) -> RawFile:
    """The file of the data set's interactions, see ``find_first``."""
    return find_first(spec.sources, spec, data_dir)


def find_first(
    sources: Sequence[Source], spec: Spec, data_dir: str | Path | None = None
) -> RawFile:
    """The first of the ``sources``, which are those of ``spec`` or its titles, whose file is on
    this machine; if there is none, the first with a URL is downloaded.

    Files are searched for in ``data_dir``, then in $SEQREC_DATA_DIR, then in the folder of the YAML
    file, then in ./data, then in installed packages. Downloads go to ./data; if $SEQREC_MIRROR is
    set, they come from $SEQREC_MIRROR/<file>.

    Raises DataError if a folder does not exist, if some parts are missing, if a file has the wrong
    size or checksum, if the download fails, and if there is neither file nor URL.
    """
    if found := on_this_machine(sources, spec, data_dir):
        first, *others = found
        others = [raw for raw in others if raw.source != first.source]
        not_read = {file for raw in others for file in raw.files} - set(first.files)
        if not first.parts:
            _verify(first.path, first.source)
        return replace(first, others=tuple(sorted(not_read)))
    name = spec.name
    folders = _folders(spec, data_dir)
    placed = [source for source in sources if not source.package]
    packaged = [source for source in sources if source.package]
    for source in placed:
        if source.url and source.split:
            return _download_parts(source, source.url, name, folders)
        if source.url:
            return RawFile(source, _download(source, source.url, name, folders))
    for source in packaged:
        raise DataMissing(f"{name}: {packages.missing(source.package, source.places[0])}")
    files = " or ".join(" and ".join(source.places) for source in placed)
    raise DataMissing(
        f"{name}: no file found, and no URL to download from: place {files} in "
        f"{_folder_names(folders)}{in_project(*folders, DEFAULT_FOLDER)}"
    )


def on_this_machine(
    sources: Sequence[Source], spec: Spec, data_dir: str | Path | None = None
) -> list[RawFile]:
    """The files of the ``sources`` on this machine, in the order of ``find_first``, not verified.

    Raises DataError if a folder does not exist, or if some parts are missing.
    """
    folders = [*_folders(spec, data_dir), DEFAULT_FOLDER]
    placed = [source for source in sources if not source.package]
    packaged = [source for source in sources if source.package]
    searched = [_in_folder(source, folder) for folder in folders for source in placed]
    searched += [_in_package(source) for source in packaged]
    return [raw for raw in searched if raw is not None]


def _folders(spec: Spec, data_dir: str | Path | None) -> list[Path]:
    """The folders of files that users have placed, beside ./data, where downloads go."""
    folders = [Path(f) for f in (data_dir, os.environ.get(FOLDER_VARIABLE)) if f]
    for folder in folders:
        if not os.path.isdir(folder):
            raise DataError(f"{folder}: the data folder does not exist{in_project(folder)}")
    return [*folders, spec.folder] if spec.folder else folders


def _in_folder(source: Source, folder: Path) -> RawFile | None:
    """The source's files in the folder; None if there are none."""
    if not source.files and os.path.isfile(folder / source.file):
        return RawFile(source, folder / source.file)
    found = {place: parts(folder, place) for place in source.places}
    missing = [place for place, files in found.items() if not files]
    if len(missing) == len(found) or (missing and source.url):  # the others are downloaded
        return None
    if missing:
        raise DataMissing(f"{folder / missing[0]}: this part of the data does not exist")
    files = [file for of_place in found.values() for file in of_place]
    path = folder if source.files else folder / source.file
    if any(map(os.path.isabs, source.files)):
        path = Path(os.path.commonpath([file.parent for file in files]))
    if not source.split:
        return RawFile(source, path, tuple(dict.fromkeys(files)))
    of_parts = [part for part, of_place in enumerate(found.values()) for _ in of_place]
    return RawFile(source, path, tuple(files), tuple(of_parts))


def _in_package(source: Source) -> RawFile | None:
    """The source's files in its package; None if there are none."""
    package = packages.find(source.package)
    raw = _in_folder(source, package.folder) if package else None
    return replace(raw, version=package.version) if raw and package else None


def parts(folder: Path, place: str) -> list[Path]:
    """Files at a path or pattern, or in the folder there, in the order of the numbers in their
    names. Spark's marks and checksums, whose names begin with _ or a dot, are left out."""
    path = folder / place
    if os.path.isfile(path):
        return [path]
    if os.path.isabs(place):
        folder = Path(path.anchor)
        place = str(path.relative_to(folder))
    pattern = f"{place}/**/*" if os.path.isdir(path) else place
    try:
        found = [file for file in folder.glob(pattern) if file.is_file()]
    except (OSError, ValueError):  # a name that no file can have
        return []
    base = len(path.parts) if os.path.isdir(path) else -1
    inside = [file for file in found if not any(p[0] in "_." for p in file.parts[base:])]
    return sorted(inside, key=lambda file: [_number(p) for p in DIGITS.split(str(file))])


def _number(part: str) -> tuple[int, str]:
    """Digits compare as numbers: part-10 follows part-9."""
    return (int(part), "") if part.isdecimal() else (0, part)


def _folder_names(folders: list[Path]) -> str:
    return " or ".join(str(folder) for folder in [*folders, DEFAULT_FOLDER])


def _verify(path: Path, source: Source) -> None:
    """Raise DataError if the file's size or checksum differs from the source's."""
    try:
        _verify_readable(path, source)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None


def _verify_readable(path: Path, source: Source) -> None:
    size = path.stat().st_size
    again = packages.pip_command(source.package) if source.package else "download the file again"
    if source.size is not None and size != source.size:
        raise DataError(f"{path}: {size} bytes instead of {source.size}; {again}")
    if source.sha256 is not None:
        with open(path, "rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != source.sha256:
            raise DataError(
                f"{path}: wrong checksum: sha256 is {found} instead of {source.sha256}; {again}"
            )


def _download(source: Source, url: str, name: str, folders: list[Path]) -> Path:
    """Download to ``<file>.part``, resume what an earlier attempt left there, rename the file once
    it is verified. ``name`` and ``folders`` are for the error message."""
    mirror = os.environ.get(MIRROR_VARIABLE)
    if mirror:
        url = f"{mirror.rstrip('/')}/{source.file}"
    path = DEFAULT_FOLDER / source.file
    with locks.alone(path, "downloading") as locked:
        process = "" if locked else f".{os.getpid()}"  # only the lock's holder may resume
        part = path.with_name(f"{path.name}{process}.part")
        if os.path.isfile(path):  # another process was faster
            _verify(path, source)
            return path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            download(url, part)
        except (requests.RequestException, OSError, ValueError) as error:  # ValueError: invalid URL
            resumes = os.path.isfile(part) and not os.path.islink(part)
            kept = f" ({part} is kept, the next attempt resumes)" if resumes else ""
            raise DataMissing(
                f"{name}: could not download {url}: {_cause(error)}{kept}; try again, or "
                f"place the file {source.file} in {_folder_names(folders)}"
            ) from None
        try:
            _verify(part, source)
        except DataError:
            part.unlink()  # resuming from wrong bytes would never succeed
            raise
        os.replace(part, path)
    return path


def _download_parts(source: Source, url: str, name: str, folders: list[Path]) -> RawFile:
    """Download the files of a split, which are below ``url``."""
    files = [
        _download(Source(place), f"{url.rstrip('/')}/{Path(place).name}", name, folders)
        for place in source.places
    ]
    return RawFile(source, DEFAULT_FOLDER / source.file, tuple(files), (TRAIN, VALID, TEST))


def _cause(error: Exception) -> str:
    if isinstance(error, requests.ConnectionError | requests.Timeout):
        return "no answer from the server"
    return str(error)
